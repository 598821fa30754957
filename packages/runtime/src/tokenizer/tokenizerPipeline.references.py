"""Writes tokenizerPipeline.references.generated.ts: what Hugging Face's tokenizers makes of every code point, and of random texts.
Run with PyPI's tokenizers (0.23.3) and sentencepiece."""

import hashlib
import json
import os
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, models, trainers
from tokenizers import normalizers as N
from tokenizers import pre_tokenizers as P

BLOCK = 0x4000
TEXT = 0x100

corpus = """The cat sat on the mat, didn't it? She'll say that 3 of the 12 cats weren't there in 1999.
A network that adapts its weights to each input costs more than one that does not; here is what it costs.
Ein großer Bär aß 45 süße Äpfel. Ça va très bien, déjà vu à la fête. El niño soñó con peñas.
Быстрая лиса прыгает через ленивую собаку. Η γρήγορη αλεπού πήδηξε. 敏捷的狐狸跳過了懶狗。 速い狐。 빠른 여우가 뛰었다.
https://example.org/a_b?c=d&e=f  (see [1], {2} and <3>) — “quoted” ‘text’ … $5.00, 7 % + 8 = 15!""".split("\n")

words = ["the", " cat", "Didn't", " 12", "naïve", "STRASSE", "straße", "ΣΑΣ", "İ", "e\u0301", "ﬁn", "中国", "한국", "नमस्ते", "👩‍💻", "[MASK]", "<x>", "Foo"]
letters = [0, 9, 10, 13, 32, 32, 32, 0x85, 0xA0, 0xA9, 0xAD, 0xB2, 0x130, 0x301, 0x345, 0x378, 0x61D, 0x600, 0x915, 0x94D, 0x958, 0x9BE, 0xE33, 0x1100]
letters += [0x1161, 0x11A8, 0x1E9E, 0x200B, 0x200D, 0x2028, 0x2126, 0x2581, 0x2764, 0x3000, 0x3099, 0x32FF, 0xAC00, 0xFB01, 0xFE0F, 0xFEFF, 0xFFFD]
letters += [0x105D2, 0x11935, 0x1D400, 0x1F1E6, 0x1F468, 0x1F3FB, 0x20000, 0x2B920, 0xE0001, 0x10FFFF]


def random_texts(count):
    """The same in every language."""
    state = 1
    def draw(below):
        nonlocal state
        state = (state * 48271) % 0x7FFFFFFF
        return state % below
    for _ in range(count):
        parts = []
        for _ in range(1 + draw(9)):
            kind = draw(4)
            if kind == 0:
                parts.append(words[draw(len(words))])
            elif kind == 1:
                parts.append(chr(letters[draw(len(letters))]))
            elif kind == 2:
                parts.append(chr(33 + draw(94)))
            else:
                code = draw(0x3000)
                parts.append(chr(code))
        yield "".join(parts)


def bert(**options):
    return N.BertNormalizer(**{**dict(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True), **options})


rules = {"\u2126": "Ω", "\u0041\u0301": "á", "\u00a9": "(c)", "\u2028": " ", "\u200d": "", "ﬁ": "fi", "A": "a", "Σ": "σ", "\u0958": "q", "１": "1", "\r": "\n"}
work = tempfile.mkdtemp()
with open(f"{work}/rules.tsv", "w") as file:
    for key, value in rules.items():
        file.write(" ".join(f"{ord(c):X}" for c in key) + "\t" + " ".join(f"{ord(c):X}" for c in value) + "\n")
with open(f"{work}/corpus.txt", "w") as file:
    file.write("\n".join(corpus))
sentencepiece.SentencePieceTrainer.train(
    input=f"{work}/corpus.txt", model_prefix=f"{work}/model", vocab_size=160, character_coverage=0.98, normalization_rule_tsv=f"{work}/rules.tsv", minloglevel=2
)
spm = sentencepiece_model_pb2.ModelProto()
with open(f"{work}/model.model", "rb") as file:
    spm.ParseFromString(file.read())
charsmap = spm.normalizer_spec.precompiled_charsmap
pieces = [("<pad>", 0.0)] + [(piece.piece, piece.score) for piece in spm.pieces]

split = lambda pattern, behavior="isolated", invert=False: P.Split(Regex(pattern), behavior, invert)
steps = {
    "BERT, uncased": (bert(), P.BertPreTokenizer()),
    "BERT, cased": (bert(lowercase=False), P.BertPreTokenizer()),
    "BERT, accents alone": (bert(lowercase=False, strip_accents=True, handle_chinese_chars=False, clean_text=False), P.BertPreTokenizer()),
    "byte level": (None, P.ByteLevel(add_prefix_space=False)),
    "byte level, with a space before": (None, P.ByteLevel(add_prefix_space=True, use_regex=False)),
    "ALBERT": (
        N.Sequence([N.Replace("``", '"'), N.NFKD(), N.StripAccents(), N.Lowercase(), N.Precompiled(charsmap), N.Replace(Regex(" {2,}"), " ")]),
        P.Sequence([P.WhitespaceSplit(), P.Metaspace()]),
    ),
    "Precompiled": (N.Precompiled(charsmap), P.Metaspace(prepend_scheme="never")),
    "NFC, whitespace": (N.NFC(), P.Whitespace()),
    "NFKC, Nmt, punctuation": (N.Sequence([N.NFKC(), N.Nmt(), N.Strip()]), P.Punctuation("contiguous")),
    "NFD, digits": (N.Sequence([N.NFD(), N.StripAccents(), N.Lowercase()]), P.Digits(individual_digits=True)),
    "GPT-4's words": (None, split(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")),
    "categories": (None, split(r"\p{Lu}[\p{Ll}\p{Lm}]*|\P{M}\p{M}*|[^\P{L}a-z]|[\p{S}\-_]", "removed", True)),
    "words and digits": (None, P.Sequence([split(r"\w+|\d", "merged_with_next"), split(r"[^\W\d]", "contiguous")])),
}


def texts_of_block(start):
    for first in range(start, start + BLOCK, TEXT):
        letters = [chr(c) for c in range(first, first + TEXT) if not 0xD800 <= c <= 0xDFFF]
        if letters:
            yield "".join(f"{c}a{c}b {c}{c}\u0301x" for c in letters)


def pieces_of(tokenizer, text):
    normalized = tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text
    return [piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normalized)]


def digest(lines):
    hashed = hashlib.sha256()
    for line in lines:
        hashed.update(line.encode() + b"\n")
    return hashed.hexdigest()[:8]


def block_hashes(tokenizer):
    return [digest("\x1f".join(pieces_of(tokenizer, text)) for text in texts_of_block(start)) for start in range(0, 0x110000, BLOCK)]


trained = {}


def keep(name, tokenizer, added=()):
    tokenizer.add_special_tokens(["<x>"])
    tokenizer.add_special_tokens([AddedToken("[MASK]", lstrip=True, special=True, normalized=False)])
    tokenizer.add_tokens([AddedToken("Foo", single_word=True, rstrip=True, normalized=True)])
    trained[name] = tokenizer


tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20))
tokenizer.normalizer, tokenizer.pre_tokenizer = bert(), P.BertPreTokenizer()
tokenizer.train_from_iterator(corpus, trainers.WordPieceTrainer(vocab_size=260, special_tokens=["[PAD]", "[UNK]"], show_progress=False))
keep("WordPiece", tokenizer)

tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = P.ByteLevel(add_prefix_space=True)
tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=400, initial_alphabet=P.ByteLevel.alphabet(), special_tokens=["<pad>"], show_progress=False))
keep("byte-level BPE", tokenizer)

tokenizer = Tokenizer(models.BPE(unk_token="<unk>", continuing_subword_prefix="##", end_of_word_suffix="</w>", fuse_unk=True))
tokenizer.normalizer, tokenizer.pre_tokenizer = N.NFKC(), P.Whitespace()
trainer = dict(continuing_subword_prefix="##", end_of_word_suffix="</w>", limit_alphabet=40, special_tokens=["<pad>", "<unk>"])
tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=260, show_progress=False, **trainer))
keep("BPE with prefix and suffix", tokenizer)

vocabulary = {f"<0x{byte:02X}>": byte for byte in range(256)}
for token in ["<unk>", "t", "h", "e", "th", "the", "▁", "▁the", "c", "a"]:
    vocabulary[token] = len(vocabulary)
merges = [("t", "h"), ("th", "e"), ("▁", "the")]
tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", byte_fallback=True, ignore_merges=True))
tokenizer.pre_tokenizer = P.Metaspace(prepend_scheme="first")
keep("BPE with bytes", tokenizer)

unknown = [token for token, _ in pieces].index("<unk>")
tokenizer = Tokenizer(models.Unigram(pieces, unk_id=unknown, byte_fallback=False))
tokenizer.normalizer, tokenizer.pre_tokenizer = steps["ALBERT"]
keep("unigram", tokenizer)

tokenizer = Tokenizer(models.Unigram(pieces + [(f"<0x{byte:02X}>", -20.0) for byte in range(256)], unk_id=unknown, byte_fallback=True))
tokenizer.normalizer, tokenizer.pre_tokenizer = N.Precompiled(charsmap), P.Metaspace(split=False)
keep("unigram with bytes", tokenizer)

tokenizer = Tokenizer(models.WordLevel({"u": 0, "the": 1, "cat": 2, "12": 3}, unk_token="u"))
tokenizer.pre_tokenizer = P.Whitespace()
keep("words", tokenizer)

TEXTS, GROUP = 3000, 250
texts = list(random_texts(TEXTS))


def id_hashes(tokenizer):
    lines = [" ".join(map(str, tokenizer.encode(text, add_special_tokens=False).ids)) for text in texts]
    return [digest(lines[start : start + GROUP]) for start in range(0, TEXTS, GROUP)]


def written(value):
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "tokenizerPipeline.references.generated.ts"), "w") as file:
    file.write("/** Written by tokenizerPipeline.references.py with Hugging Face's tokenizers. Do not edit. */\n\n")
    file.write(f"export const words = {written(words)};\nexport const letters = {written(letters)};\n\n")
    file.write("/** Steps before the model, and a hash of their pieces for each block of 0x4000 code points. */\nexport const steps = [\n")
    for name, (normalizer, pre_tokenizer) in steps.items():
        tokenizer = Tokenizer(models.WordLevel({"u": 0}, unk_token="u"))
        if normalizer:
            tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer = pre_tokenizer
        file.write(f"  {{\n    name: {written(name)},\n    json: {written(tokenizer.to_str())},\n    hashes: '{','.join(block_hashes(tokenizer))}',\n  }},\n")
    file.write("];\n\n")
    file.write("/** Whole tokenizers, and a hash of their ids for each 250 random texts. */\nexport const tokenizers = [\n")
    for name, tokenizer in trained.items():
        file.write(f"  {{\n    name: {written(name)},\n    json: {written(tokenizer.to_str())},\n    hashes: '{','.join(id_hashes(tokenizer))}',\n  }},\n")
    file.write("];\n")
