// Runs code of an agent, once, in a separate process: an interpreter in WebAssembly without access to this process.
// Plain JavaScript, because it is started as a file.
import variant from '@jitl/quickjs-wasmfile-release-sync'
import { newQuickJSWASMModuleFromVariant } from 'quickjs-emscripten-core'

const quickjs = await newQuickJSWASMModuleFromVariant(variant)

process.once('message', ({ code, limits }) => process.send(run(code, limits), () => process.exit()))
process.on('disconnect', () => process.exit())
process.send('ready')

function run(code, { milliseconds, bytes, characters }) {
  const runtime = quickjs.newRuntime()
  runtime.setMemoryLimit(bytes)
  runtime.setMaxStackSize(256 * 1024)
  const until = performance.now() + milliseconds
  runtime.setInterruptHandler(() => performance.now() > until)
  const context = runtime.newContext()
  // Read before the code runs, because the code may replace it.
  const stringify = context.unwrapResult(context.evalCode('JSON.stringify'))
  const { error, value } = context.evalCode(code, 'code.js')
  if (error) return failure(context, error)
  const text = context.callFunction(stringify, context.undefined, value)
  if (text.error) return failure(context, text.error)
  const output = context.typeof(text.value) === 'string' ? context.getString(text.value) : 'undefined'
  return { ok: true, output: output.slice(0, characters), cut: output.length > characters }
}

function failure(context, error) {
  const { name = 'It threw', message = 'no error' } = Object(context.dump(error))
  if (name === 'InternalError' && message === 'interrupted') return { ok: false, ended: 'time' }
  if (name === 'InternalError' && message === 'out of memory') return { ok: false, ended: 'memory' }
  return { ok: false, ended: 'error', message: `${name}: ${message}`.slice(0, 200) }
}
