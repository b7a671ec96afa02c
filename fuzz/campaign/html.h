// The pages of campaigns: self-contained, light and dark.
#ifndef TAPEDECK_FUZZ_CAMPAIGN_HTML_H_
#define TAPEDECK_FUZZ_CAMPAIGN_HTML_H_

#include <string>
#include <string_view>

namespace tapedeck::fuzz {

// `text` with what HTML takes for itself escaped.
std::string HtmlText(std::string_view text);

// A whole page; `body` is HTML.
std::string HtmlPage(std::string_view title, std::string_view body);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CAMPAIGN_HTML_H_
