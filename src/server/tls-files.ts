// The server's certificate from its files, read again when they change, so that a renewed one is used without a restart.

import { readFileSync, statSync } from 'node:fs'
import type { Logger } from '../observability/log.ts'
import { createTlsSettings, type TlsSettings } from '../pgwire/tls.ts'
import { ConfigError } from './config.ts'

/** How often the files are looked at, at most, ms. */
const CHECK_EVERY_MS = 1000

/** Throws ConfigError if the files cannot be used now; later a bad replacement is logged and the old certificate stays. */
export function watchTlsFiles(files: { certFile: string; keyFile: string }, log: Logger): () => TlsSettings {
  const read = (): TlsSettings => createTlsSettings({ certificate: readFileSync(files.certFile), key: readFileSync(files.keyFile) })
  const stamp = (): string => [files.certFile, files.keyFile].map((file) => statSync(file).mtimeMs).join(' ')
  let settings: TlsSettings
  let seen: string
  try {
    seen = stamp()
    settings = read()
  } catch (error) {
    throw new ConfigError(`settings TLS_CERT_FILE and TLS_KEY_FILE cannot be used: ${(error as Error).message}`)
  }
  let checkedAt = performance.now()
  return () => {
    if (performance.now() - checkedAt < CHECK_EVERY_MS) return settings
    checkedAt = performance.now()
    try {
      const current = stamp()
      if (current !== seen) {
        settings = read()
        seen = current
        log.info({ file: files.certFile }, 'TLS certificate read again')
      }
    } catch (error) {
      log.error({ err: error, file: files.certFile }, 'TLS files cannot be read; the certificate in use stays')
    }
    return settings
  }
}
