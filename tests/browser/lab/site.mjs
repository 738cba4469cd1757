// Serves the harness page at /lab/, Ant Media's SDK at /sdk/, and everything else from the server under test, so that the harness imports /client.js
// from its own origin as an app does.
import { readFile } from 'node:fs/promises'
import http from 'node:http'
import { extname } from 'node:path'

const kinds = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8' }

/** `upstream`: origin of the server under test, or nothing for the lab's own pages alone. */
export async function startSite(upstream) {
  const site = http.createServer(async (request, response) => {
    try {
      if (request.url.startsWith('/sdk/')) return await sdk(request.url.slice('/sdk/'.length), response)
      if (!request.url.startsWith('/lab/')) return await pass(request, response, upstream)
      const name = request.url.slice('/lab/'.length) || 'index.html'
      if (!/^[a-z-]+\.(js|html)$/.test(name)) return response.writeHead(404).end()
      const body = await readFile(new URL(`../page/${name}`, import.meta.url))
      response.writeHead(200, { 'content-type': kinds[extname(name)], 'cache-control': 'no-store' }).end(body)
    } catch (error) {
      if (!response.headersSent) response.writeHead(500)
      response.end(String(error))
    }
  })
  site.listen(0, '127.0.0.1')
  await new Promise(done => site.once('listening', done))
  return {
    url: `http://127.0.0.1:${site.address().port}/lab/`,
    stop: () => new Promise(done => (site.closeAllConnections(), site.close(done))),
  }
}

/** Ant Media's SDK as it is in the package. */
async function sdk(name, response) {
  if (!/^[a-z0-9._-]+\.js$/.test(name)) return response.writeHead(404).end()
  const body = await readFile(new URL(`../node_modules/@antmedia/webrtc_adaptor/dist/es/${name}`, import.meta.url))
  response.writeHead(200, { 'content-type': kinds['.js'] }).end(body)
}

async function pass(request, response, upstream) {
  if (!upstream) return response.writeHead(404).end()
  const answer = await fetch(upstream + request.url)
  response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' })
  response.end(Buffer.from(await answer.arrayBuffer()))
}
