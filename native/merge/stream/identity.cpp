#include "merge/stream/identity.h"

#include "core/error.h"

namespace tongueforge::merge {

std::string identity_of(const checkpoint::SafetensorsFile& file) {
  const auto [size, mtime_ns] = file.stamp();
  return str(file.path(), ' ', size, ' ', mtime_ns, '\n');
}

std::string identity_of(const checkpoint::ModelWeights& model) {
  std::string text;
  for (const auto& file : model.files()) text += str(file.real_path, '\n', identity_of(file.file));
  return text;
}

std::string identity_of(const std::string& work,
                        std::initializer_list<const checkpoint::ModelWeights*> models) {
  std::string text = str(work, ", tongueforge ", TONGUEFORGE_VERSION, '\n');
  for (const auto* model : models) text += identity_of(*model);
  return text;
}

}  // namespace tongueforge::merge
