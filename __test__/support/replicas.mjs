// Replicas of the service that share a storage.
import { allow, startUpstream, tempFolder } from './app.mjs'
import { startService } from './service.mjs'

/** `count` replicas over one upstream and one storage. */
export async function startReplicas(t, count, { storage, answer, images = {}, experimental, flags = [], env = {} }) {
  const upstream = await startUpstream(t, answer)
  const file = { fallback: upstream.origin, storage, images: allow(upstream, images), experimental }
  const start = () => startService(t, { file, folder: tempFolder(t), flags, env })
  const replicas = await Promise.all(Array.from({ length: count }, start))
  return { upstream, replicas, start }
}

/** What a line of /metrics says, summed over the replicas. */
export const total = async (replicas, line) => {
  const values = await Promise.all(replicas.map((replica) => replica.metric(line)))
  return values.reduce((sum, value) => sum + value, 0)
}
