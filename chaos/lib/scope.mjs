// What has been started is stopped again, last first, whatever happens in between.

/**
 * Runs `work` with the part of a test context that the helpers in `__test__/support` use.
 *
 * @template T
 * @param {(scope: { after: (end: () => unknown) => void }) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withScope(work) {
  const ends = []
  const end = async () => {
    for (const each of ends.splice(0).reverse()) await each()
  }
  // A second signal ends the process at once.
  const onSignal = () => end().finally(() => process.exit(130))
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, onSignal)
  try {
    return await work({ after: (each) => ends.push(each) })
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, onSignal)
    await end()
  }
}
