// Two lists of things that happened, in two columns: what is equal on one line, the rest beside
// nothing. For ladders of two runs.
#ifndef TAPEDECK_REPLAY_REPORT_SIDE_BY_SIDE_H_
#define TAPEDECK_REPLAY_REPORT_SIDE_BY_SIDE_H_

#include <cstddef>
#include <string>
#include <vector>

namespace tapedeck::report {

struct SideRow {
  std::string time;
  std::string text;  // by which rows are found equal
};

// Lines "  time text = time text"; the mark between them: `=` equal, `~` equal at another time, `<`
// left only, `>` right only. Equal rows farther than `context` from others are only counted; after
// `rows_max` lines the rest is, too. Rows beyond a thousand a side are not looked at.
std::string SideBySide(const std::vector<SideRow>& left, const std::vector<SideRow>& right,
                       size_t context, size_t rows_max);

}  // namespace tapedeck::report

#endif  // TAPEDECK_REPLAY_REPORT_SIDE_BY_SIDE_H_
