/** Elements of the page. */

type Attributes = Readonly<Record<string, string | number | boolean | null>>;

/**
 * @param attributes by name; `true` is an attribute without a value, `false` and null are none; names that start with
 *   `--` are variables of the style sheet
 * @param children null is nothing
 */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly (Node | string | null)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    if (name.startsWith('--')) made.style.setProperty(name, String(value));
    else made.setAttribute(name, value === true ? '' : String(value));
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

export function button(label: string | Node, onClick: () => void, attributes: Attributes = {}): HTMLButtonElement {
  const made = element('button', { type: 'button', ...attributes }, label);
  made.addEventListener('click', onClick);
  return made;
}

let ids = 0;

/** An id that no other element has. */
export function newId(): string {
  return `id-${++ids}`;
}
