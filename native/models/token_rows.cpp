#include "models/token_rows.h"

#include <algorithm>

#include "core/error.h"
#include "kernels/aten.h"

namespace tongueforge::models {

void check_token_rows(const std::vector<std::vector<int32_t>>& rows, int64_t vocab_size) {
  for (size_t row = 0; row < rows.size(); row++) {
    if (rows[row].empty())
      throw Error("ERR_DATA", str("Expected at least one token in row ", row, ", received none"));
    for (size_t i = 0; i < rows[row].size(); i++) {
      const int32_t id = rows[row][i];
      if (id >= 0 && id < vocab_size) continue;
      throw Error(
          "ERR_DATA",
          str("Expected token ids from 0 to ", vocab_size - 1, ", received ", id, " in row ", row, " at ", i),
          "Does the tokenizer belong to this model?");
    }
  }
}

at::Tensor stack_rows(const std::vector<std::vector<int32_t>>& rows) {
  if (rows.empty()) throw Error("ERR_DATA", "Expected at least one row of token ids, received none");
  const auto time = static_cast<int64_t>(rows[0].size());
  for (size_t row = 1; row < rows.size(); row++)
    if (rows[row].size() != rows[0].size())
      throw Error("ERR_DATA",
                  str("Expected rows of equal length, received ", rows[0].size(), " tokens in row 0 and ",
                      rows[row].size(), " in row ", row),
                  "Ask for rows of one length at a time.");
  auto ids = at::empty({static_cast<int64_t>(rows.size()), time}, at::kLong);
  auto* out = ids.data_ptr<int64_t>();
  for (const auto& row : rows) out = std::copy(row.begin(), row.end(), out);
  return ids;
}

}  // namespace tongueforge::models
