// Renders the OpenAPI description: operations by tag, then the schemas that they refer to.
const main = document.querySelector('main')

/** An element with text or elements in it; nothing is ever taken for markup. */
function make(name, ...content) {
  const element = document.createElement(name)
  element.append(...content)
  return element
}

function table(rows) {
  return make('table', ...rows.map(([head, text]) => make('tr', make('th', head), make('td', text ?? ''))))
}

function reference(schema = {}) {
  const name = schema.$ref?.split('/').at(-1)
  if (!name) return make('span', [schema.type ?? ''].flat().join(' or '))
  const link = make('a', name)
  link.href = `#${name}`
  return link
}

function operation(path, method, { summary, description, parameters = [], requestBody, responses }) {
  const section = make('section', make('h3', make('b', method), ' ', path), make('p', summary ?? ''))
  if (description) section.append(make('p', description))
  const rows = parameters.map(({ name, in: place, description }) => [name, `${place}: ${description ?? ''}`])
  for (const { schema } of Object.values(requestBody?.content ?? {})) rows.push(['body', reference(schema)])
  for (const [status, { description, content }] of Object.entries(responses)) {
    const bodies = Object.values(content ?? {}).map(({ schema }) => reference(schema))
    rows.push([status, make('span', description, ' ', ...bodies.flatMap(body => [body, ' ']))])
  }
  section.append(table(rows))
  return section
}

const { info, tags = [], paths, components } = await (await fetch('openapi.json')).json()
main.append(make('p', `${info.title} ${info.version}. ${info.description ?? ''}`))
const operations = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, about]) => ({ path, method, about })),
)
for (const { name, description } of tags) {
  main.append(make('h2', name))
  if (description) main.append(make('p', description))
  for (const { path, method, about } of operations) {
    if (about.tags?.includes(name)) main.append(operation(path, method, about))
  }
}
main.append(make('h2', 'schemas'))
for (const [name, schema] of Object.entries(components.schemas)) {
  const section = make('section', make('h3', name), make('pre', JSON.stringify(schema, null, 2)))
  section.id = name
  main.append(section)
}
