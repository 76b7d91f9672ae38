#include "checkpoint/torch_format.h"

#include <algorithm>
#include <string_view>

#include "checkpoint/json_text.h"
#include "checkpoint/pickle_refusal.h"

namespace tongueforge::checkpoint {
namespace {

constexpr std::string_view kPickleName = "data.pkl";
constexpr const char* kSaveAgain =
    "Save it again with torch 1.6 or later: torch.save(torch.load(FILE, weights_only=True), NEW_FILE).";

/// A format that is met where one of torch was expected.
struct Format {
  const char* reason;
  size_t at;  // in the file
  std::string_view begins;
  const char* name;
  const char* hint;
};

using namespace std::string_view_literals;

constexpr Format kFormats[] = {
    {"before_torch_1_6", 0, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv,
     "a file of before torch 1.6", kSaveAgain},
    {"tar", 257, "ustar"sv, "a tar file of before torch 0.1.10", kSaveAgain},
    {"bare_pickle", 0, "\x80"sv, "a pickle that torch.save did not write", kSaveAgain},
    {"safetensors", 8, "{\""sv, "a safetensors file",
     "It needs no conversion: put it in a model folder as model.safetensors."},
    {"gguf", 0, "GGUF"sv, "a GGUF file", "Convert the model it was made of."},
    {"hdf5", 0, "\x89HDF"sv, "an HDF5 file", "Load it in Python and save the tensors with torch.save."},
};

std::string entry_text(const PosixFile& file, const ZipEntry& entry) {
  std::string text(std::min<uint64_t>(entry.size, 16), '\0');
  file.pread_exact(text.data(), text.size(), entry.offset);
  return text;
}

}  // namespace

void check_is_torch_zip(const PosixFile& file, uint64_t size) {
  std::string head(std::min<uint64_t>(size, 512), '\0');
  file.pread_exact(head.data(), head.size(), 0);
  if (head.starts_with("PK\x03\x04")) return;
  for (const Format& format : kFormats)
    if (head.size() > format.at && std::string_view(head).substr(format.at).starts_with(format.begins))
      refuse_pickle(
          file.path(), format.at,
          {format.reason, str("expected a file that torch.save wrote, received ", format.name), format.hint});
  refuse_pickle(file.path(), 0,
                {"not_torch", "expected a file that torch.save wrote, received another kind"});
}

TorchLayout find_layout(const PosixFile& file, const std::vector<ZipEntry>& entries) {
  TorchLayout layout;
  bool found = false;
  for (size_t i = 0; i < entries.size(); ++i) {
    const std::string_view name = entries[i].name;
    const size_t slash = name.find('/');
    if (slash == std::string_view::npos || name.substr(slash + 1) != kPickleName) continue;
    if (found)
      refuse_pickle(file.path(), entries[i].offset, {"two_pickles", "expected one data.pkl in the archive"});
    layout = {std::string(name.substr(0, slash + 1)), i};
    found = true;
  }
  if (!found)
    refuse_pickle(file.path(), 0,
                  {"no_pickle", "expected a zip file of torch.save, received one without data.pkl"});
  for (const ZipEntry& entry : entries) {
    const std::string_view name = entry.name;
    if (!name.starts_with(layout.folder)) continue;
    const std::string_view inner = name.substr(layout.folder.size());
    if (inner == "constants.pkl" || inner.starts_with("code/"))
      refuse_pickle(file.path(), entry.offset,
                    {"torchscript", "expected tensors, received a program of TorchScript",
                     "Save its weights: torch.save(torch.jit.load(FILE).state_dict(), NEW_FILE)."});
    if (inner == "byteorder" && entry_text(file, entry) != "little")
      refuse_pickle(file.path(), entry.offset,
                    {"big_endian", "expected little-endian data, received big-endian",
                     "Load it with torch on any machine and save it on a little-endian one."});
  }
  return layout;
}

}  // namespace tongueforge::checkpoint
