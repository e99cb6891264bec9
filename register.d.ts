/**
 * Makes unsharp the sharp of the Next in this process, where no next.config with `withUnsharp` is evaluated:
 * `node -r unsharp/register server.js`, `node --import unsharp/register server.js`, or through `NODE_OPTIONS`.
 */
export {}
