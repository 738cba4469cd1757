import { fileURLToPath } from 'node:url'
import { type Plugin, defineConfig } from 'vite'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

// The pages that are embedded in the server. `dist/client.js` is built beside them by vite.client.config.ts, which
// runs afterwards and empties nothing.
//
// `--mode fake` puts a room that lives in the page in the library's place, so that the pages can be looked at with no
// server: `npx vite --config vite.config.ts --mode fake`, then open /r/demo?auto=1&people=5.
export default defineConfig(({ mode }) => {
  const fake = mode === 'fake'
  const client = fake ? 'pages/dev/fake-room.ts' : 'client/src/index.ts'
  return {
    root: here('pages'),
    resolve: { alias: { 'crescendo-client': here(client) } },
    plugins: [addresses(fake)],
    server: { proxy: fake ? {} : serverProxy() },
    preview: { proxy: fake ? {} : serverProxy(), headers: { 'content-security-policy': POLICY } },
    build: {
      target: 'es2022',
      outDir: here(fake ? '../target/pages-fake' : 'dist'),
      emptyOutDir: true,
      // Nothing becomes a `data:` URL: the pages' policy allows our own origin alone.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      // hls.js is one piece of half a megabyte; only /watch loads it.
      chunkSizeWarningLimit: 700,
      rolldownOptions: {
        input: ['index', 'call', 'watch', 'admin', 'notfound'].map((page) => here(`pages/${page}.html`)),
      },
    },
  }
})

/** As strict as the server's own, so that what works in a preview works there: no inline scripts, no inline styles. */
const POLICY =
  "default-src 'self'; connect-src 'self' ws: wss:; media-src 'self' blob:; img-src 'self' data:; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"

/** Serves the pages under the addresses that the server gives them. */
function addresses(fake: boolean): Plugin {
  const rewrite = (
    request: { url?: string },
    response: import('node:http').ServerResponse,
    next: () => void,
  ) => {
    const path = (request.url ?? '/').split('?')[0] ?? '/'
    if (fake && path === '/api/v1/capabilities') {
      response.setHeader('content-type', 'application/json')
      response.end('{"legs":["hls"]}')
      return
    }
    if (/^\/r\/[^/]+$/.test(path)) request.url = '/call.html'
    else if (/^\/watch\/[^/]+$/.test(path)) request.url = '/watch.html'
    else if (path === '/admin') request.url = '/admin.html'
    next()
  }
  return {
    name: 'crescendo-addresses',
    configureServer: (server) => void server.middlewares.use(rewrite),
    configurePreviewServer: (server) => void server.middlewares.use(rewrite),
  }
}

/** A running server for everything that is not a page; `CRESCENDO` names another one. */
function serverProxy() {
  const target = process.env['CRESCENDO'] ?? 'http://127.0.0.1:8080'
  return {
    '/api': { target },
    '/hls': { target },
    '/signal': { target, ws: true },
  }
}
