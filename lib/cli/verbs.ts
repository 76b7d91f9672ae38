// Every command, in the order of the help. A new one is a file beside this and a row here.
import adapt from './adapt'
import adapter from './adapter'
import attention from './attention'
import chat from './chat'
import classify from './classify'
import clusters from './clusters'
import compress from './compress'
import convert from './convert'
import delta from './delta'
import demo from './demo'
import doctor from './doctor'
import embed from './embed'
import evaluate from './evaluate'
import generate from './generate'
import graft from './graft'
import inspect from './inspect'
import landscape from './landscape'
import launch from './launch'
import merge from './merge'
import probe from './probe'
import report from './report'
import score from './score'
import serve from './serve'
import setup from './setup'
import sweep from './sweep'
import train from './train'
import type { Verb } from './verb'
import verify from './verify'
import vocab from './vocab'

export const VERBS: Verb[] = [
  demo,
  adapt,
  train,
  graft,
  merge,
  compress,
  landscape,
  evaluate,
  report,
  clusters,
  probe,
  launch,
  delta,
  sweep,
  adapter,
  vocab,
  convert,
  generate,
  chat,
  serve,
  score,
  embed,
  classify,
  attention,
  inspect,
  verify,
  doctor,
  setup,
]
