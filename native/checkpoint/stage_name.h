// The names of folders under construction, and whether the process that made one is still at work on it.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace tongueforge::checkpoint {

inline constexpr const char* kStagePrefix = ".tmp-";
inline constexpr const char* kTrashPrefix = ".trash-";

/// A token that no other stage has: pid, start time of the process, machine, random bits.
std::string new_stage_token();

/// A token of no process: what has it is abandoned from the start.
std::string left_token();

/// The token of ".tmp-<name>-<token>" or ".trash-<name>-<token>", for exactly this name.
std::optional<std::string> stage_token_of(std::string_view entry, std::string_view name);

/// True if nobody can be working on a stage any more. Where the token was made by this machine since it
/// booted, the process must be gone; made elsewhere (another host on a shared disk, a container, before a
/// reboot), the folder and its files must have rested for a day.
bool is_abandoned(const std::string& folder, std::string_view token);

}  // namespace tongueforge::checkpoint
