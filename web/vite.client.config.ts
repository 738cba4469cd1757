import { defineConfig } from 'vite'

// The library as one file with no dependencies, served by every Crescendo server as /client.js; `--mode worker` makes its
// worker, /client-worker.js. The package for npm is written by tsc beside it: see tsconfig.client.json.
export default defineConfig(({ mode }) => ({
  publicDir: false,
  build: {
    target: 'es2022',
    outDir: 'dist',
    emptyOutDir: false,
    sourcemap: true,
    lib:
      mode === 'worker'
        ? { entry: 'client/src/client-worker.ts', formats: ['es'], fileName: () => 'client-worker.js' }
        : { entry: 'client/src/index.ts', formats: ['es'], fileName: () => 'client.js' },
  },
}))
