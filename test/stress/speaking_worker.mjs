// A worker thread that loads a model and says what it makes of some prompts.
import { parentPort, workerData } from 'node:worker_threads'
import { speak } from './speak.mjs'

parentPort.postMessage(await speak(workerData))
