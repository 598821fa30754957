"""Writes unicodeTables.generated.ts: what Hugging Face's tokenizers (the Python package, 0.23.3) takes each code point for. It is
built on several versions of Unicode at once, one for each library in it, so it is asked itself, code point by code point. Takes ten
minutes."""

import os
import struct

import tokenizers
from tokenizers import Regex
from tokenizers import normalizers as N
from tokenizers import pre_tokenizers as P

code_points = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def base36(number):
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
        if number == 0:
            return digits


def ranges(members):
    """Gaps and lengths in turn, base 36: `2s,q` is 100 code points out, 26 in. Surrogates count as what is before them."""
    found = []
    for c in sorted(members):
        if found and c == (0xE000 if found[-1][1] == 0xD800 else found[-1][1]):
            found[-1][1] = c + 1
        else:
            found.append([c, c + 1])
    position = 0
    numbers = []
    for start, end in found:
        numbers += [start - position, end - start]
        position = end
    return ",".join(map(base36, numbers))


def splits(pre_tokenizer):
    return [c for c in code_points if len(pre_tokenizer.pre_tokenize_str(f"a{chr(c)}b")) > 1]


def removed(normalizer):
    return [c for c in code_points if normalizer.normalize_str(f"a{chr(c)}b") == "ab"]


def bert(**options):
    return N.BertNormalizer(**{**dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False), **options})


def charsmap(key, value):
    """A precompiled table with one entry, as sentencepiece has it: a double array of the key's bytes, then the value."""
    units = [0] * (256 * (len(key) + 2) + 256)
    units[0] = 256 << 10
    for place, byte in enumerate(key):
        base = 256 * (place + 1)
        last = place + 1 == len(key)
        units[base ^ byte] = ((base ^ byte ^ (base + 256)) << 10) | (last << 8) | byte
    units[256 * (len(key) + 1)] = 1 << 31
    trie = struct.pack(f"<{len(units)}I", *units)
    return N.Precompiled(struct.pack("<I", len(trie)) + trie + value.encode() + b"\0")


sets = {}
sets["space"] = splits(P.WhitespaceSplit())
sets["numeric"] = splits(P.Digits())
sets["punctuation"] = splits(P.Punctuation())
sets["cleaned"] = removed(bert(clean_text=True))
sets["mark"] = removed(N.StripAccents())
sets["nonspacingMark"] = removed(bert(strip_accents=True))
word = P.Whitespace()
sets["word"] = [c for c in code_points if len(word.pre_tokenize_str(f"a{chr(c)}b")) == 1]

# Normal forms: what decomposes, is reordered, or is part of something that is composed. All else stays as it is, alone and in company.
nfc, nfd, nfkd = N.NFC(), N.NFD(), N.NFKD()
active = set()
for c in code_points:
    letter = chr(c)
    decomposed = nfd.normalize_str(letter)
    if nfkd.normalize_str(letter) != letter or nfc.normalize_str(letter) != letter:
        active.add(c)
    # Of the highest class there is, 240: whatever has a class goes before it.
    if c == 0x345 or nfd.normalize_str(f"a\u0345{letter}") not in (f"a\u0345{letter}", f"a\u0345{decomposed}"):
        active.add(c)
    if decomposed != letter and nfc.normalize_str(decomposed) == letter:
        active.update(map(ord, decomposed))
        # Composed in steps, as U+1E14 of U+0112, of E.
        active.update(ord(part) for part in nfc.normalize_str(decomposed[:-1]) if len(decomposed) > 2)
sets["normalized"] = active

# Grapheme clusters of less than six bytes: longer ones are taken apart again where they are used.
letter_map = charsmap(b"a", "z")
sets["joinsLeft"] = [c for c in code_points if letter_map.normalize_str("a" + chr(c)) == "z"]
sets["joinsRight"] = []
sets["control"] = []
for c in code_points:
    single = charsmap(chr(c).encode(), "z") if c else None
    if single and c > 0x7F and single.normalize_str(chr(c) + "a") == "z":
        sets["joinsRight"].append(c)
    if c < 0x10000 and (single is None or single.normalize_str(chr(c) + "\u0301") != "z"):
        sets["control"].append(c)
# A cluster of two, of five bytes, becomes what its first code point does; where it is the end of a longer one, both stay.
joins = lambda probe, before, first: probe.normalize_str(f"{before}{first}\u0301").endswith("z\u0301")
left = set(sets["joinsLeft"])
copyright_map = charsmap("\u00a9".encode(), "z")
sets["pictograph"] = [c for c in code_points if c not in left and "\u200d" in copyright_map.normalize_str(f"\u00a9\u200d{chr(c)}")]
heart = charsmap("\u2764".encode(), "z")
sets["extends"] = [c for c in left if c != 0x200D and joins(heart, f"\u00a9{chr(c)}\u200d", "\u2764")]
three_bytes = [c for c in code_points if 0x7FF < c < 0x10000]
sets["conjunct"] = [c for c in three_bytes if c not in left and joins(charsmap(chr(c).encode(), "z"), "\u0915\u094d", chr(c))]
qa = charsmap("\u0958".encode(), "z")
sets["linker"] = [c for c in left if joins(qa, f"\u0915{chr(c)}", "\u0958")]
sets["conjunctExtends"] = [c for c in left if joins(qa, f"\u0915{chr(c)}\u094d", "\u0958")]

lower = N.Lowercase()
lowered = {c: lower.normalize_str(chr(c)) for c in code_points if lower.normalize_str(chr(c)) != chr(c)}
longer = {c: text for c, text in lowered.items() if len(text) > 1}
runs = []
for c, text in lowered.items():
    if c in longer:
        continue
    distance = ord(text) - c
    if runs and runs[-1][3] == distance:
        start, count, step, _ = runs[-1]
        gap = c - start - (count - 1) * step
        if gap in ((1, 2) if count == 1 else (step,)):
            runs[-1][1:3] = [count + 1, gap]
            continue
    runs.append([c, 1, 0, distance])

# Of the regular expressions of Split and Replace, and of byte-level tokenizers.
names = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co".split()
category = {}
for name in names:
    split = P.Split(Regex(rf"\p{{{name}}}"), "removed")
    for c in code_points:
        if split.pre_tokenize_str(chr(c)) == []:
            category[c] = name
categories = []
for c in range(0x110000):
    name = category.get(c, "Cs" if 0xD800 <= c <= 0xDFFF else "Cn")
    if categories and categories[-1][0] == name:
        categories[-1][1] += 1
    else:
        categories.append([name, 1])
for name, pattern in ("regexWord", r"\w"), ("regexWordInClass", r"[\w]"):
    split = P.Split(Regex(pattern), "removed")
    sets[name] = [c for c in code_points if split.pre_tokenize_str(chr(c)) == []]

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "unicodeTables.generated.ts"), "w") as file:
    file.write(f"/** Written by unicodeTables.py, which asked Hugging Face's tokenizers {tokenizers.__version__}. Do not edit. */\n\n")
    file.write("/** Code points that are out and in, in turn, base 36. */\nexport const ranges = {\n")
    for name, members in sets.items():
        file.write(f"  {name}: '{ranges(members)}',\n")
    file.write("} as const;\n\n")
    file.write("/** What lowercase letters are to others: first code point, how many, how far apart, and the difference, base 36. */\n")
    text = ",".join(" ".join(("-" if n < 0 else "") + base36(abs(n)) for n in run) for run in runs)
    file.write(f"export const lowercaseRuns = '{text}';\n\n")
    file.write("/** Those of more than one code point. */\nexport const lowercaseStrings: readonly (readonly [number, string])[] = [\n")
    for c, text in longer.items():
        escaped = "".join(f"\\u{ord(each):04x}" for each in text)
        file.write(f"  [0x{c:x}, '{escaped}'],\n")
    file.write("];\n\n")
    file.write("/** General categories from U+0000 on, each with its number of code points, base 36. */\n")
    text = ",".join(name + base36(count) for name, count in categories)
    file.write(f"export const generalCategories = '{text}';\n")
