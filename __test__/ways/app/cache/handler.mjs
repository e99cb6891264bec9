// A cacheHandler as an app may have one of its own: everything in memory, and what it is asked goes to the file SEEN.
import { kept, note } from './store.mjs'

export default class OwnHandler {
  async get(key, { kind }) {
    await note(`get ${kind}`)
    return kept.get(key) ?? null
  }

  async set(key, value, context) {
    await note(`set ${value?.kind}`)
    kept.set(key, { value, lastModified: Date.now(), tags: context.tags ?? [] })
  }

  async revalidateTag(tags) {
    await note(`tags ${tags}`)
    for (const [key, entry] of kept) if (entry.tags.some((tag) => [tags].flat().includes(tag))) kept.delete(key)
  }

  resetRequestCache() {}
}
