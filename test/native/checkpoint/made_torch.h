// Files of torch made by hand, byte by byte: what torch.save would write, and what it never would.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "checkpoint/crc32.h"

namespace tongueforge::testing {

inline std::string little(uint64_t number, size_t bytes) {
  std::string out;
  for (size_t i = 0; i < bytes; ++i) out += static_cast<char>(i < 8 ? number >> (8 * i) : 0);
  return out;
}

/// The data of a storage of float32.
inline std::string floats(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

// ---- zip ----

/// An entry and what its headers say of it where that is not the truth.
struct MadeEntry {
  std::string name, data;
  uint16_t method = 0, flags = 0;
  int64_t local_shift = 0;  // of where the directory says that it begins
  uint64_t lie_size = UINT64_MAX;
  std::string local_name = {};
};

inline std::string zip_end(uint64_t entries, uint64_t size, uint64_t offset) {
  return little(0x06054b50, 4) + little(0, 4) + little(entries, 2) + little(entries, 2) + little(size, 4) +
         little(offset, 4) + little(0, 2);
}

inline std::string stored_zip(const std::vector<MadeEntry>& entries) {
  std::string out, directory;
  for (const MadeEntry& entry : entries) {
    const uint64_t begin = out.size() + static_cast<uint64_t>(entry.local_shift);
    const uint64_t size = entry.lie_size == UINT64_MAX ? entry.data.size() : entry.lie_size;
    const std::string sizes = little(checkpoint::crc32(0, entry.data.data(), entry.data.size()), 4) +
                              little(size, 4) + little(size, 4);
    const std::string plain = little(entry.flags, 2) + little(entry.method, 2) + little(0, 4) + sizes;
    const std::string& local_name = entry.local_name.empty() ? entry.name : entry.local_name;
    out += little(0x04034b50, 4) + little(0, 2) + plain + little(local_name.size(), 2) + little(0, 2) +
           local_name + entry.data;
    directory += little(0x02014b50, 4) + little(0, 4) + plain + little(entry.name.size(), 2) +
                 little(0, 2 + 2 + 2 + 2 + 4) + little(begin, 4) + entry.name;
  }
  return out + directory + zip_end(entries.size(), directory.size(), out.size());
}

// ---- pickle: every piece pushes one value ----

inline std::string pickled(const std::string& body) { return "\x80\x02" + body + "."; }
inline std::string text(const std::string& t) { return "X" + little(t.size(), 4) + t; }
inline std::string integer(int64_t n) { return "\x8a\x08" + little(static_cast<uint64_t>(n), 8); }
inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
inline std::string tuple(std::initializer_list<std::string> items) {
  std::string out = "(";
  for (const auto& item : items) out += item;
  return out + "t";
}
inline std::string integers(const std::vector<int64_t>& numbers) {
  std::string out = "(";
  for (const int64_t number : numbers) out += integer(number);
  return out + "t";
}
inline std::string called(const std::string& callee, const std::string& arguments) {
  return callee + arguments + "R";
}
inline std::string dict(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string out = "}(";
  for (const auto& [key, value] : pairs) out += text(key) + value;
  return out + "u";
}
inline std::string storage(const std::string& key, int64_t count, const std::string& kind = "FloatStorage") {
  return tuple({text("storage"), global("torch", kind), text(key), text("cpu"), integer(count)}) + "Q";
}
inline std::string tensor(const std::string& of, int64_t offset, const std::vector<int64_t>& shape,
                          const std::vector<int64_t>& strides) {
  const std::string hooks = called(global("collections", "OrderedDict"), ")");
  return called(global("torch._utils", "_rebuild_tensor_v2"),
                tuple({of, integer(offset), integers(shape), integers(strides), "\x89", hooks}));
}

// ---- both ----

inline std::string torch_bytes(const std::string& pickle, const std::vector<std::string>& storages = {}) {
  std::vector<MadeEntry> entries = {{"archive/data.pkl", pickle}, {"archive/byteorder", "little"}};
  for (size_t i = 0; i < storages.size(); ++i)
    entries.push_back({"archive/data/" + std::to_string(i), storages[i]});
  return stored_zip(entries);
}

}  // namespace tongueforge::testing
