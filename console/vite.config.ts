// How the pages become files: hashed names under /assets, nothing inline (the policy of the page forbids it), no addresses but our own.

import { defineConfig } from 'vite'

export default defineConfig({
  logLevel: 'warn',
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The licence texts of what is in the script stand beside it.
    license: { fileName: 'assets/licenses.md' },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 300,
  },
})
