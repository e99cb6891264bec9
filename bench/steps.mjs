// Decode, resize and encode, each on its own, by criterion: `npm run bench:steps -- [FILTER] [criterion's options]`. It
// remembers the last run under target/criterion and says what has changed since.
import { requireCompilers } from '../scripts/setup.mjs'
import { run } from '../scripts/shell.mjs'
import { toolchain } from '../scripts/toolchain.mjs'

requireCompilers()
const { env, features } = await toolchain()
// The profile of a release links for minutes, and what it gains is the same before and after a change.
const cargo = ['cargo', 'bench', '--profile', 'fast', '--no-default-features', '--features', features.join(',')]
run([...cargo, '--bench', 'steps', '--', ...process.argv.slice(2)], { env })
