// Loaded before `next start`: `require('sharp')` means the module that TEST_SHARP names, as an alias in package.json
// would make it. So one installed app serves as the reference and as the app on the alias.
const Module = require('node:module')

const resolve = Module._resolveFilename
Module._resolveFilename = function (name, ...rest) {
  return resolve.call(this, name === 'sharp' ? process.env.TEST_SHARP : name, ...rest)
}
