// ES modules get the same single instance as require(): one native addon, one libtorch.
import tongueforge from './dist/index.js'

export const { loadModel, graft, train, doctor, inspect, TongueforgeError } = tongueforge
export default tongueforge
