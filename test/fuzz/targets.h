// All targets. To add one: a file in targets/, two lines here, its dictionary and its corpus.
#pragma once
#include "target.h"

namespace tongueforge::fuzz {

extern const Target bpe, fasttext, pair_map, pickle, safetensors_header, shard_index, strict_json, torch_file,
    utf8, wav;

inline const Target* const kTargets[] = {
    &bpe,         &fasttext,    &pair_map,   &pickle, &safetensors_header,
    &shard_index, &strict_json, &torch_file, &utf8,   &wav};

}  // namespace tongueforge::fuzz
