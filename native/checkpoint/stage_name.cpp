#include "checkpoint/stage_name.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

namespace fs = std::filesystem;

namespace tongueforge::checkpoint {
namespace {

constexpr auto kRest = std::chrono::hours(24);

std::string hex8(uint32_t value) {
  std::array<char, 9> text{};
  std::snprintf(text.data(), text.size(), "%08x", value);
  return text.data();
}

std::string read_small(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// When a process of this machine began, in clock ticks since boot; empty if there is no such process.
/// With the pid it names a process for good, although pids are used again.
std::string start_time(const std::string& pid) {
  const std::string stat = read_small("/proc/" + pid + "/stat");
  const size_t after_name =
      stat.rfind(')');  // the name in parentheses may itself hold spaces and parentheses
  if (after_name == std::string::npos) return {};
  size_t at = after_name + 1;
  for (int field = 3; field < 22; ++field) at = stat.find(' ', at + 1);
  return at == std::string::npos ? std::string() : stat.substr(at + 1, stat.find(' ', at + 1) - at - 1);
}

/// Equal for two processes exactly where they can see each other's pids: same boot, same pid namespace.
std::string machine_tag() {
  std::string text = read_small("/proc/sys/kernel/random/boot_id");
  struct stat info;
  if (::stat("/proc/self/ns/pid", &info) == 0) text += std::to_string(info.st_ino);
  uint32_t hash = 2166136261u;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hex8(hash);
}

std::vector<std::string> split_dots(std::string_view token) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= token.size();) {
    const size_t end = std::min(token.find('.', begin), token.size());
    parts.emplace_back(token.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

bool consists_of(std::string_view text, std::string_view letters) {
  return !text.empty() && text.find_first_not_of(letters) == std::string_view::npos;
}

bool is_token(std::string_view token) {
  const std::vector<std::string> parts = split_dots(token);
  constexpr std::string_view kDigits = "0123456789", kHex = "0123456789abcdef";
  return parts.size() == 4 && consists_of(parts[0], kDigits) && consists_of(parts[1], kDigits) &&
         consists_of(parts[2], kHex) && consists_of(parts[3], kHex);
}

bool has_rested(const std::string& folder) {
  std::error_code error;
  auto newest = fs::last_write_time(folder, error);
  if (error) return false;
  for (const auto& entry : fs::recursive_directory_iterator(folder, error)) {
    std::error_code ignored;
    const auto time = fs::last_write_time(entry.path(), ignored);
    if (!ignored) newest = std::max(newest, time);
  }
  return !error && fs::file_time_type::clock::now() - newest > kRest;
}

}  // namespace

std::string new_stage_token() {
  const std::string pid = std::to_string(::getpid());
  const std::string started = start_time(pid);
  return pid + '.' + (started.empty() ? "0" : started) + '.' + machine_tag() + '.' +
         hex8(std::random_device{}());
}

std::string left_token() { return "0.0." + machine_tag() + '.' + hex8(std::random_device{}()); }

std::optional<std::string> stage_token_of(std::string_view entry, std::string_view name) {
  for (const char* prefix : {kStagePrefix, kTrashPrefix}) {
    const std::string head = prefix + std::string(name) + '-';
    if (entry.starts_with(head) && is_token(entry.substr(head.size())))
      return std::string(entry.substr(head.size()));
  }
  return std::nullopt;
}

bool is_abandoned(const std::string& folder, std::string_view token) {
  const std::vector<std::string> parts = split_dots(token);
  if (parts[2] != machine_tag()) return has_rested(folder);
  return start_time(parts[0]) != parts[1];
}

}  // namespace tongueforge::checkpoint
