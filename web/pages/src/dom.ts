/** Elements in few words. Text always goes in as text: names and messages come from strangers. */

type Attributes = Record<string, string | boolean | undefined>
type Child = Node | string | undefined

/** An element with attributes and children. `class` and `data-*` are attributes like any other; `false` leaves one out. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, '')
    else if (typeof value === 'string') element.setAttribute(name, value)
  }
  for (const child of children) if (child !== undefined) element.append(child)
  return element
}

/** The element that the page's HTML promises; its absence is a mistake in the page. */
export function byId<K extends HTMLElement>(id: string, type: new () => K): K {
  const element = document.getElementById(id)
  if (!(element instanceof type)) throw new Error(`the page has no ${type.name} #${id}`)
  return element
}

/** Sets or removes an attribute, and leaves the document alone where nothing changes. */
export function setAttribute(element: Element, name: string, value: string | undefined): void {
  if (value === undefined) element.removeAttribute(name)
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value)
}

/** Sets an element's text, and leaves the document alone where nothing changes. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text
}
