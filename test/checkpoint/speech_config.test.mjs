// config.json of speech encoders: what is read, what follows from it, and what is refused.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withLayers } from '#lib/checkpoint/layer_config'
import { modelSpec } from '#lib/checkpoint/model_spec'
import { speechSpec } from '#lib/checkpoint/speech_config'
import { countParameters } from '#lib/counting/parameters'
import { runJob } from '#lib/native'
import { hubertConfig, melHubertConfig, miniatureMelHubert } from '../helpers/tiny_speech.mjs'

const BASE = {
  hidden_size: 768,
  intermediate_size: 3072,
  num_hidden_layers: 12,
  num_attention_heads: 12,
}
const LARGE = {
  ...{ hidden_size: 1024, intermediate_size: 4096, num_hidden_layers: 24, num_attention_heads: 16 },
  ...{ feat_extract_norm: 'layer', conv_bias: true, do_stable_layer_norm: true },
}

// transformers 5.23.0: sum(p.numel() for p in HubertModel(HubertConfig(...)).parameters()), and so on.
const PUBLISHED = [
  [{ ...BASE, model_type: 'hubert' }, 94371712],
  [{ ...LARGE, model_type: 'hubert' }, 315438720],
  [{ ...BASE, model_type: 'wav2vec2' }, 94371712],
  [{ ...LARGE, model_type: 'wav2vec2' }, 315438720],
  [{ ...BASE, model_type: 'melhubert', feat_emb_dim: 80 }, 90231424],
  [{ ...BASE, model_type: 'melhubert', feat_emb_dim: 40 }, 90200704],
  [miniatureMelHubert, 480064],
]

const described = async (config) => {
  const parameters = await runJob('describeModel', { spec: modelSpec(config) })
  return parameters.reduce((sum, { shape }) => sum + shape.reduce((size, n) => size * n, 1), 0)
}

test('models as they were published have their parameters, in closed form and tensor by tensor', async () => {
  for (const [config, parameters] of PUBLISHED) {
    assert.equal(countParameters(modelSpec(config)), parameters, JSON.stringify(config))
    assert.equal(await described(config), parameters)
  }
})

test('closed form and tensors agree whatever the options are', async () => {
  const configs = [
    melHubertConfig(),
    melHubertConfig({ conv_pos_weight_norm: false, do_stable_layer_norm: true }),
    hubertConfig(),
    hubertConfig({ feat_extract_norm: 'layer', conv_bias: true, feat_proj_layer_norm: false }),
    hubertConfig({ mask_time_prob: 0, architectures: ['HubertForCTC'], num_conv_pos_embeddings: 7 }),
    hubertConfig({ mask_time_prob: 0, mask_feature_prob: 0.1 }),
  ]
  for (const config of configs)
    assert.equal(await described(config), countParameters(modelSpec(config)), JSON.stringify(config))
})

test('values that a config.json leaves out are those of the family', () => {
  const mel = speechSpec({ ...BASE, model_type: 'melhubert', feat_emb_dim: 80 })
  assert.equal(mel.vocab_size, 512)
  assert.equal(mel.stacked_frames, 2)
  assert.deepEqual(mel.masking, { probability: 0.7, length: 5, least_spans: 2 })
  const ten = speechSpec({ ...BASE, model_type: 'melhubert', feat_emb_dim: 40 })
  assert.equal(ten.stacked_frames, 1)
  assert.equal(ten.masking.length, 10)
  assert.deepEqual([ten.position_kernel, ten.position_groups, ten.head_dim], [128, 16, 64])
  const hubert = speechSpec({ ...BASE, model_type: 'hubert' })
  assert.deepEqual(
    hubert.convolutions.map(({ kernel, stride, norm }) => [kernel, stride, norm]),
    [[10, 5, 'channel'], ...[3, 3, 3, 3, 2, 2].map((kernel) => [kernel, 2, 'none'])],
  )
  assert.deepEqual(hubert.masking, { probability: 0.05, length: 10, least_spans: 2 })
  assert.equal(hubert.vocab_size, 0)
  assert.ok(
    speechSpec({ ...LARGE, model_type: 'wav2vec2' }).convolutions.every(({ norm }) => norm === 'frame'),
  )
})

test('the class says whether tensors have the name of the base model before theirs', () => {
  const bare = (...architectures) => speechSpec(hubertConfig({ architectures })).bare
  assert.deepEqual([bare('HubertModel'), bare('HubertForCTC'), bare()], [true, false, true])
  assert.equal(
    speechSpec(hubertConfig({ model_type: 'wav2vec2', architectures: ['Wav2Vec2ForPreTraining'] })).bare,
    false,
  )
})

test('blocks of several sizes and factored layers come back as they were written', () => {
  for (const config of [melHubertConfig(), hubertConfig()]) {
    const { layers, head_dim } = speechSpec(config)
    const fc1 = config.model_type === 'hubert' ? 'feed_forward.intermediate_dense' : 'fc1'
    const cut = [{ ...layers[0], num_heads: 1, num_kv_heads: 1, ranks: { [fc1]: 3 } }, layers[1]]
    const written = withLayers(config, cut, { head_dim })
    assert.equal(written.model_type, `tongueforge_${config.model_type}`)
    assert.deepEqual(speechSpec(written).layers, cut)
    const fewer = layers.map((layer) => ({ ...layer, intermediate_size: 8 }))
    assert.equal(withLayers(written, fewer, { head_dim }).model_type, config.model_type)
    assert.deepEqual(speechSpec(withLayers(written, fewer, { head_dim })).layers, fewer)
    // one size for all, but heads that do not fill the width: no other loader has a key for that
    const narrow = layers.map((layer) => ({ ...layer, num_heads: 1, num_kv_heads: 1 }))
    const own = withLayers(config, narrow, { head_dim })
    assert.equal(own.model_type, `tongueforge_${config.model_type}`)
    assert.equal(own.num_key_value_heads, undefined)
    assert.deepEqual(speechSpec(own).layers, narrow)
    assert.equal(speechSpec(own).head_dim, head_dim)
  }
})

test('what is not supported is refused by its key', () => {
  const refused = (config, message) =>
    assert.throws(
      () => modelSpec(config, 'model/config.json'),
      (error) => {
        assert.equal(error.code, 'ERR_MODEL_CONFIG')
        assert.match(error.message, message)
        assert.ok(error.hint.length > 0)
        return true
      },
    )
  refused(
    hubertConfig({ conv_pos_batch_norm: true }),
    /^model\/config\.json: conv_pos_batch_norm: expected false: .* received true$/,
  )
  refused(hubertConfig({ add_adapter: true }), /add_adapter: expected false/)
  refused(hubertConfig({ adapter_attn_dim: 16 }), /adapter_attn_dim: expected null/)
  refused(
    hubertConfig({ feat_extract_norm: 'batch' }),
    /feat_extract_norm: expected "group" or "layer", received "batch"/,
  )
  refused(hubertConfig({ conv_stride: [5, 2] }), /conv_stride: expected one for each of 3 convolutions/)
  refused(
    hubertConfig({ architectures: ['HubertForXVector'] }),
    /architectures: expected one of HubertModel, /,
  )
  refused(
    hubertConfig({ num_conv_pos_embedding_groups: 5 }),
    /num_conv_pos_embedding_groups: expected a divisor of hidden_size \(16\), received 5/,
  )
  refused(hubertConfig({ num_attention_heads: 3 }), /hidden_size: expected a multiple of num_attention_heads/)
  refused(
    hubertConfig({ model_type: 'wav2vec2-conformer' }),
    /model_type: expected a supported architecture \(.*melhubert, hubert, wav2vec2\)/,
  )
  refused(melHubertConfig({ feat_emb_dim: undefined }), /feat_emb_dim: expected a whole number/)
  refused(melHubertConfig({ attention_type: 'causal' }), /attention_type: expected "original"/)
  refused(melHubertConfig({ learnable_mask_emb: true }), /learnable_mask_emb: expected false/)
  refused(melHubertConfig({ mask_before_proj: false }), /mask_before_proj: expected true/)
  refused(melHubertConfig({ pos_emb_type: 'rel' }), /pos_emb_type: expected "conv"/)
})
