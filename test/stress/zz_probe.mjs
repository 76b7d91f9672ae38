import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { loadModel } from 'tongueforge'
import { readFileSync } from 'node:fs'
setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc')
const n = Number(process.argv[2])
const rss=()=>{const s=readFileSync('/proc/self/status','utf8');return Number(/VmRSS:\s+(\d+)/.exec(s)[1])+' anon '+/RssAnon:\s+(\d+)/.exec(s)[1]}
for (let c=1;c<=n;c++){
  const m = await loadModel('/tmp/stress/model',{onProgress:()=>{}})
  if (c%10===0) await m.generateIds([Int32Array.of(1,2,3)],{maxNewTokens:4})
  await m.dispose()
  if (c%(n/20)===0){ gc(); gc(); const u=process.memoryUsage(); console.log(c, rss(), 'heapTotal',u.heapTotal>>10,'used',u.heapUsed>>10,'ext',u.external>>10,'ab',u.arrayBuffers>>10)}
}
