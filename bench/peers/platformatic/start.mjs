import { create } from '@platformatic/runtime'

const app = await create(import.meta.dirname, 'watt.json', { production: true, isProduction: true })
await app.start()
