#include "replay/trace/digest_chain.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "replay/capture/output_file.h"
#include "stack/base/check.h"

namespace tapedeck {

namespace {

static_assert(std::endian::native == std::endian::little, "links are copied as they are");
constexpr std::string_view kChainMagic = "tapedeck digest chain 1\n";

std::span<const uint8_t> AsBytes(const void* bytes, size_t n) {
  return {static_cast<const uint8_t*>(bytes), n};
}

}  // namespace

void DigestChain::Observe(uint64_t number, const TraceEvent& event, const FrameLedger&) {
  CHECK_LE(number, links_.size() + 1);
  if (number <= links_.size()) return;  // played again
  links_.push_back(ChainLink(links_.empty() ? 0 : links_.back(), event));
}

// Once they differ, they differ for good.
std::optional<uint64_t> FirstDifference(std::span<const uint64_t> a, std::span<const uint64_t> b) {
  size_t equal = 0;
  size_t end = std::min(a.size(), b.size());
  if (a.size() == b.size() && (end == 0 || a[end - 1] == b[end - 1])) return std::nullopt;
  while (equal < end) {
    const size_t middle = equal + (end - equal) / 2;
    if (a[middle] == b[middle]) {
      equal = middle + 1;
    } else {
      end = middle;
    }
  }
  return equal + 1;
}

absl::Status WriteDigestChain(const std::string& path, std::span<const uint64_t> links) {
  absl::StatusOr<capture::OutputFile> file = capture::OutputFile::Create(path);
  if (!file.ok()) return file.status();
  absl::Status status = file->Append(AsBytes(kChainMagic.data(), kChainMagic.size()));
  status.Update(file->Append(AsBytes(links.data(), links.size_bytes())));
  status.Update(file->Close());
  return status;
}

bool IsDigestChain(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string magic(kChainMagic.size(), '\0');
  return file.read(magic.data(), static_cast<std::streamsize>(magic.size())) &&
         magic == kChainMagic;
}

absl::StatusOr<std::vector<uint64_t>> ReadDigestChain(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  if (bytes.compare(0, kChainMagic.size(), kChainMagic) != 0) {
    return absl::DataLossError(absl::StrCat(path, ":0: no digest chain"));
  }
  const size_t rest = bytes.size() - kChainMagic.size();
  if (rest % sizeof(uint64_t) != 0) {
    return absl::DataLossError(absl::StrCat(path, ":", bytes.size(), ": cut within a link"));
  }
  std::vector<uint64_t> links(rest / sizeof(uint64_t));
  if (rest != 0) std::memcpy(links.data(), bytes.data() + kChainMagic.size(), rest);
  return links;
}

}  // namespace tapedeck
