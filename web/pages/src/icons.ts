/** Line icons on a grid of 24, drawn with the text's colour. */

const SHAPES = {
  camera: '<rect x="2.5" y="6" width="13" height="12" rx="3"/><path d="m15.5 10.5 6-3v9l-6-3"/>',
  'camera-off':
    '<path d="M8.5 6h4a3 3 0 0 1 3 3v4M15.5 15a3 3 0 0 1-3 3h-7a3 3 0 0 1-3-3V9a3 3 0 0 1 2-2.8M15.5 10.5l6-3v9l-3.4-1.7M3 3l18 18"/>',
  microphone:
    '<rect x="8.75" y="2.5" width="6.5" height="12" rx="3.25"/><path d="M5 11.5a7 7 0 0 0 14 0M12 18.5v3"/>',
  'microphone-off':
    '<path d="M15.25 9.5V5.75a3.25 3.25 0 0 0-6.2-1.4M8.75 8.75v2.5a3.25 3.25 0 0 0 5 2.7M5 11.5a7 7 0 0 0 11.2 5.6M19 11.5a7 7 0 0 1-.6 2.8M12 18.5v3M3 3l18 18"/>',
  screen:
    '<rect x="2.5" y="4" width="19" height="13" rx="2.5"/><path d="M8 21h8M12 13.5v-6M9.25 10 12 7.25 14.75 10"/>',
  'screen-off':
    '<rect x="2.5" y="4" width="19" height="13" rx="2.5"/><path d="M8 21h8M9.75 8.25l4.5 4.5M14.25 8.25l-4.5 4.5"/>',
  broadcast:
    '<circle cx="12" cy="12" r="2"/><path d="M8.1 15.9a5.5 5.5 0 0 1 0-7.8M15.9 8.1a5.5 5.5 0 0 1 0 7.8M5.3 18.7a9.5 9.5 0 0 1 0-13.4M18.7 5.3a9.5 9.5 0 0 1 0 13.4"/>',
  record: '<circle cx="12" cy="12" r="9"/><circle cx="12" cy="12" r="4" fill="currentColor" stroke="none"/>',
  chat: '<path d="M4.5 4h15A1.5 1.5 0 0 1 21 5.5v10a1.5 1.5 0 0 1-1.5 1.5H11l-4.5 4v-4h-2A1.5 1.5 0 0 1 3 15.5v-10A1.5 1.5 0 0 1 4.5 4Z"/>',
  people:
    '<circle cx="9" cy="8" r="3.5"/><path d="M2.5 20c.4-3.6 3-5.5 6.500-5.500s6.100 1.900 6.500 5.500M16 4.800a3.500 3.500 0 0 1 0 6.400M18 14.900c2 .7 3.200 2.300 3.500 5.100"/>',
  leave:
    '<path d="M3.300 15.200c-.9-.9-.9-2.500.1-3.600C5.600 9.200 8.600 8 12 8s6.400 1.200 8.600 3.600c1 1.100 1 2.700.1 3.600l-.6.6a1.500 1.500 0 0 1-1.800.3l-2.400-1.300a1.500 1.500 0 0 1-.8-1.500l.1-1a10.500 10.500 0 0 0-6.400 0l.1 1a1.500 1.500 0 0 1-.8 1.500l-2.400 1.300a1.500 1.500 0 0 1-1.800-.3Z"/>',
  settings:
    '<path d="M4 7h9M17 7h3M4 17h3M11 17h9"/><circle cx="15" cy="7" r="2"/><circle cx="9" cy="17" r="2"/>',
  help: '<circle cx="12" cy="12" r="9"/><path d="M9.500 9.300a2.600 2.600 0 1 1 3.700 2.400c-.8.4-1.200.9-1.200 1.800M12 16.700v.1"/>',
  lock: '<rect x="5" y="10.5" width="14" height="10" rx="2.500"/><path d="M8 10.500V7.500a4 4 0 0 1 8 0v3"/>',
  link: '<path d="M10 13.500a4 4 0 0 0 5.800.2l3-3a4 4 0 0 0-5.700-5.700l-1.200 1.200M14 10.500a4 4 0 0 0-5.800-.2l-3 3a4 4 0 0 0 5.700 5.700l1.200-1.200"/>',
  check: '<path d="m4.500 12.500 5 5 10-11"/>',
  close: '<path d="m6 6 12 12M18 6 6 18"/>',
  send: '<path d="M21 3 10 14M21 3l-6.500 18-4.500-7-7-4.500Z"/>',
  pin: '<path d="M9 3.500h6l-.7 6.300 3.200 3.200v1.500h-11V13l3.200-3.200ZM12 14.500V21"/>',
  more: '<g fill="currentColor" stroke="none"><circle cx="5" cy="12" r="1.700"/><circle cx="12" cy="12" r="1.700"/><circle cx="19" cy="12" r="1.700"/></g>',
  dice: '<rect x="3.500" y="3.500" width="17" height="17" rx="4"/><g fill="currentColor" stroke="none"><circle cx="8.500" cy="8.500" r="1.400"/><circle cx="15.500" cy="8.500" r="1.400"/><circle cx="12" cy="12" r="1.400"/><circle cx="8.500" cy="15.500" r="1.400"/><circle cx="15.500" cy="15.500" r="1.400"/></g>',
  speaker:
    '<path d="M4 9.500v5h3.500L12 18.500v-13L7.500 9.500ZM15.500 9a4.200 4.200 0 0 1 0 6M18 6.500a7.800 7.800 0 0 1 0 11"/>',
  'speaker-off':
    '<path d="M4 9.500v5h3.500L12 18.500v-13L7.500 9.500ZM16 9.750l4.500 4.500M20.500 9.750 16 14.250"/>',
  play: '<path d="M7 4.500v15l12.500-7.500Z" fill="currentColor"/>',
  pause: '<path d="M8 5v14M16 5v14" stroke-width="3"/>',
  fullscreen:
    '<path d="M4 9V5.500A1.500 1.500 0 0 1 5.500 4H9M15 4h3.500A1.500 1.500 0 0 1 20 5.500V9M20 15v3.500a1.500 1.500 0 0 1-1.500 1.500H15M9 20H5.500A1.500 1.500 0 0 1 4 18.500V15"/>',
  'fullscreen-off':
    '<path d="M9 4v3.500A1.500 1.500 0 0 1 7.500 9H4M20 9h-3.500A1.500 1.500 0 0 1 15 7.500V4M15 20v-3.500a1.500 1.500 0 0 1 1.500-1.500H20M4 15h3.500A1.500 1.500 0 0 1 9 16.500V20"/>',
  direct: '<path d="M3 8.500h15M14.500 5 18 8.500 14.500 12M21 15.500H6M9.500 12 6 15.500 9.500 19"/>',
  relay:
    '<circle cx="12" cy="6.500" r="2.500"/><path d="M3 18.500 10.200 8.700M13.800 8.700 21 18.500M16.200 18.300l4.800.2.900-4.700"/>',
  server:
    '<rect x="3.500" y="4" width="17" height="7" rx="2"/><rect x="3.500" y="13" width="17" height="7" rx="2"/><path d="M7.500 7.500v.1M7.500 16.500v.1"/>',
  moving:
    '<path d="M20 11a8 8 0 0 0-14.300-4L4 8.800M4 4v4.800h4.800M4 13a8 8 0 0 0 14.300 4l1.700-1.800M20 20v-4.800h-4.800"/>',
  alert: '<path d="M12 4 2.500 20h19ZM12 10v4.500M12 17.300v.1"/>',
  clock: '<circle cx="12" cy="12" r="9"/><path d="M12 7v5l3.500 2"/>',
} as const

export type IconName = keyof typeof SHAPES

/** An icon that screen readers pass over: what it stands for is said beside it. */
export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  const attributes = {
    viewBox: '0 0 24 24',
    class: 'icon',
    fill: 'none',
    stroke: 'currentColor',
    'stroke-width': '1.8',
    'stroke-linecap': 'round',
    'stroke-linejoin': 'round',
    'aria-hidden': 'true',
    focusable: 'false',
  }
  for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value)
  // The shapes are the constants above, never anything from outside.
  svg.innerHTML = SHAPES[name]
  return svg
}

/** Puts the icon that `data-icon` names into each element of the page that has one. */
export function drawIcons(root: ParentNode = document): void {
  for (const element of root.querySelectorAll<HTMLElement>('[data-icon]')) {
    const name = element.dataset['icon']
    if (name !== undefined && name in SHAPES && element.querySelector(':scope > .icon') === null)
      element.prepend(icon(name as IconName))
  }
}

/** Shows another icon in an element that has one. */
export function setIcon(element: HTMLElement, name: IconName): void {
  if (element.dataset['icon'] === name) return
  element.dataset['icon'] = name
  element.querySelector(':scope > .icon')?.remove()
  element.prepend(icon(name))
}
