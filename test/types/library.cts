// The library by require: the same names, the same types.
import tongueforge = require('tongueforge')

import { expectTypeOf } from 'expect-type'

expectTypeOf(
  tongueforge.train('c.yaml', {} as tongueforge.TrainOptions),
).toEqualTypeOf<tongueforge.TrainRun>()
expectTypeOf(new tongueforge.TongueforgeError('ERR_USAGE', 'text').code).toBeString()
