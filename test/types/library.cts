// The library by require: the same names, the same types.
import tongueforge = require('tongueforge')

import { expectTypeOf } from 'expect-type'

expectTypeOf(tongueforge.train).parameter(1).toEqualTypeOf<tongueforge.TrainOptions | undefined>()
expectTypeOf(new tongueforge.TongueforgeError('ERR_USAGE', 'text').code).toBeString()
