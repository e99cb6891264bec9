// A file of its own, for a build to find.

export const kept = new Map()

export async function note(line) {
  // The middleware's bundle takes this in, and has no file system.
  if (process.env.NEXT_RUNTIME === 'edge' || !process.env.SEEN) return
  // biome-ignore lint/style/useNodejsImportProtocol: webpack reads this for the edge too, and knows no such scheme there
  const { appendFile } = await import('fs/promises')
  await appendFile(process.env.SEEN, `${line}\n`)
}
