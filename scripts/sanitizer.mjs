// AddressSanitizer in the stable compiler, which has it, but lets it be switched on only by who asks for nightly's switches.
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import path from 'node:path'

const about = execFileSync('rustc', ['-vV'], { encoding: 'utf8' })

/** The machine that rustc builds for by itself. */
export const host = /^host: (.*)$/m.exec(about)[1]

/** The version of the LLVM inside rustc, as `22.1.2`. */
export const llvmVersion = /^LLVM version: (.*)$/m.exec(about)[1]

/** Where rustc keeps what it brings for the host. */
export const rustlib = path.join(
  execFileSync('rustc', ['--print', 'sysroot'], { encoding: 'utf8' }).trim(),
  'lib/rustlib',
  host,
)

/**
 * What glibc and rayon keep for the life of a thread is no leak; what asks for more memory than there is gets none, as elsewhere. A file
 * of mozjpeg has two tables of one name, each in a function.
 */
export const ASAN = { ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1:detect_odr_violation=0' }

/** The switch for rustc, or none where the toolchain comes without the sanitizer's library. */
export function addressSanitizer() {
  const here = readdirSync(path.join(rustlib, 'lib')).some((name) => /^librustc.*_rt\.asan\.a$/.test(name))
  return here ? ['-Zsanitizer=address'] : []
}
