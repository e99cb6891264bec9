// Links what zig's compilers have built, with flags of the linker that zig's driver does not take.
//
//   node scripts/link.mjs ZIG TARGET ARGUMENT…     the arguments are those of a C compiler that links
//
// The driver links once and says how it calls the linker, which is a part of zig. That is called so once more, with ours.
import { spawnSync } from 'node:child_process'
import { stop } from './shell.mjs'

const FLAGS = [
  // One copy of functions that came out the same, as generic ones often do.
  '--icf=all',
  // Bitmaps instead of a list, for crates/addon/src/relocate.rs.
  ...['--pack-dyn-relocs=relr', '--use-android-relr-tags', '--init=unsharp_relocate'],
]

const [zig, target, ...given] = process.argv.slice(2)
const driver = spawnSync('cargo-zigbuild', ['zig', 'cc', '--', '-target', target, ...given], {
  encoding: 'utf8',
  env: { ...process.env, ZIG_VERBOSE_LINK: '1' },
})
if (driver.error) throw driver.error
if (driver.status !== 0) stop(driver.stderr)
// Its arguments have a space between them and nothing around them: a path with a space in it is not found below.
const call = driver.stderr.split('\n').find((line) => line.startsWith('ld.lld '))
if (!call) stop(`zig does not say how it links:\n${driver.stderr}`)
const linker = spawnSync(zig, [...call.split(' '), ...FLAGS], { stdio: 'inherit' })
if (linker.error) throw linker.error
process.exit(linker.status ?? 1)
