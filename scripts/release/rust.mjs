// Makes the compiler that releases are built with the default one, with what it needs for a platform.
//
//   node scripts/release/rust.mjs PLATFORM
import { platforms } from '../platforms.mjs'
import { run, stop } from '../shell.mjs'

const RELEASE = '1.95.0'

const { triple } = platforms().get(process.argv[2]) ?? stop(`There is no platform ${process.argv[2]}.`)
run(['rustup', 'toolchain', 'install', RELEASE, '--profile', 'minimal', '--target', triple])
run(['rustup', 'default', RELEASE])
