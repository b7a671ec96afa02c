#include "stack/ipv6/txoptions.h"

#include <cerrno>
#include <cstring>
#include <new>

#include "stack/core/net.h"
#include "stack/ipv6/datagram.h"

namespace tapedeck {
namespace {

uint32_t LengthAt(const ipv6_txoptions* opt, int16_t offset) {
  return offset < 0 ? 0 : ipv6_optlen(opt->bytes() + offset);
}

// Copies the header at `which` of `from` where there is one.
int CopyHeader(TxOptionsBuilder* builder, int16_t ipv6_txoptions::* which,
               const ipv6_txoptions* from) {
  if (from == nullptr || from->*which < 0) return 0;
  const uint8_t* const header = from->bytes() + from->*which;
  return builder->Set(which, header, ipv6_optlen(header));
}

constexpr int16_t ipv6_txoptions::* kBeforeFragment[] = {
    &ipv6_txoptions::hopopt, &ipv6_txoptions::dst0opt, &ipv6_txoptions::srcrt};

constexpr int16_t ipv6_txoptions::* kAllHeaders[] = {
    &ipv6_txoptions::hopopt, &ipv6_txoptions::dst0opt, &ipv6_txoptions::srcrt,
    &ipv6_txoptions::dst1opt};

uint32_t HeaderBytes(const ipv6_txoptions* opt) {
  return opt == nullptr ? 0 : uint32_t{opt->opt_flen} + opt->opt_nflen;
}

}  // namespace

int TxOptionsBuilder::Set(int16_t ipv6_txoptions::* which, const uint8_t* header, uint32_t bytes) {
  if (opt_ == nullptr) {
    const auto total = static_cast<uint32_t>(sizeof(ipv6_txoptions)) + capacity_;
    void* const memory = net_.kernel.kmalloc().Alloc(total);
    if (memory == nullptr) return -ENOBUFS;
    opt_ = new (memory) ipv6_txoptions;
    opt_->tot_len = total;
  }
  Remove(which);
  CHECK_LE(used_ + bytes, capacity_);
  std::memcpy(opt_->bytes() + used_, header, bytes);
  opt_->*which = static_cast<int16_t>(used_);
  used_ += bytes;
  UpdateLengths();
  return 0;
}

void TxOptionsBuilder::Remove(int16_t ipv6_txoptions::* which) {
  if (!Has(which)) return;
  const int16_t offset = opt_->*which;
  const auto bytes = static_cast<int16_t>(LengthAt(opt_, offset));
  uint8_t* const at = opt_->bytes() + offset;
  used_ -= static_cast<uint32_t>(bytes);
  std::memmove(at, at + bytes, used_ - static_cast<uint32_t>(offset));
  opt_->*which = -1;
  for (const auto other : kAllHeaders) {
    if (opt_->*other > offset) opt_->*other = static_cast<int16_t>(opt_->*other - bytes);
  }
}

void TxOptionsBuilder::MoveDst1ToDst0() {
  if (!Has(&ipv6_txoptions::dst1opt)) return;
  Remove(&ipv6_txoptions::dst0opt);
  opt_->dst0opt = opt_->dst1opt;
  opt_->dst1opt = -1;
  UpdateLengths();
}

void TxOptionsBuilder::UpdateLengths() {
  opt_->opt_nflen = 0;
  for (const auto which : kBeforeFragment) {
    opt_->opt_nflen = static_cast<uint16_t>(opt_->opt_nflen + LengthAt(opt_, opt_->*which));
  }
  opt_->opt_flen = static_cast<uint16_t>(LengthAt(opt_, opt_->dst1opt));
}

ipv6_txoptions* TxOptionsBuilder::Take() {
  ipv6_txoptions* const opt = opt_;
  opt_ = nullptr;
  return opt;
}

ipv6_txoptions* fl6_merge_options(net& net, const ip6_flowlabel* fl, ipv6_txoptions* opt,
                                  int* err) {
  *err = 0;
  ipv6_txoptions* const label_opt = fl->opt;
  if (opt == nullptr || opt->opt_flen == 0) {
    if (label_opt != nullptr) ++label_opt->refcnt;
    return label_opt;
  }
  TxOptionsBuilder builder(net, HeaderBytes(label_opt) + HeaderBytes(opt));
  for (const auto which : kBeforeFragment) {
    if (*err == 0) *err = CopyHeader(&builder, which, label_opt);
  }
  if (*err == 0) *err = CopyHeader(&builder, &ipv6_txoptions::dst1opt, opt);
  ipv6_txoptions* const merged = builder.Take();
  if (*err == 0) return merged;
  txopt_put(net, merged);
  return nullptr;
}

ipv6_txoptions* ipv6_fixup_options(net& net, ipv6_txoptions* opt, int* err) {
  *err = 0;
  if (opt == nullptr || opt->dst0opt < 0 || opt->srcrt >= 0) return opt;
  TxOptionsBuilder builder(net, HeaderBytes(opt));
  *err = CopyHeader(&builder, &ipv6_txoptions::hopopt, opt);
  if (*err == 0) *err = CopyHeader(&builder, &ipv6_txoptions::dst1opt, opt);
  txopt_put(net, opt);
  ipv6_txoptions* const fixed = builder.Take();
  if (*err == 0) return fixed;
  txopt_put(net, fixed);
  return nullptr;
}

}  // namespace tapedeck
