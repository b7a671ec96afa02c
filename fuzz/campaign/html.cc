#include "fuzz/campaign/html.h"

namespace tapedeck::fuzz {

namespace {

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --line: #8884; --held: #2a7d2a; --broken: #c0392b; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line); }
td.figure, th.figure { text-align: right; font-variant-numeric: tabular-nums; }
code, pre { font: 13px/1.45 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .6rem; border: 1px solid var(--line); }
svg { width: 100%; height: 12rem; border: 1px solid var(--line); }
ul.facts { columns: 18rem; font: 13px/1.4 ui-monospace, monospace; }
.broken { color: var(--broken); } .held { color: var(--held); }
)";

}  // namespace

std::string HtmlText(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string HtmlPage(std::string_view title, std::string_view body) {
  std::string page = "<!doctype html>\n<html lang=en><meta charset=utf-8>\n<title>";
  page += HtmlText(title);
  page += "</title>\n<style>";
  page += kStyle;
  page += "</style>\n<h1>";
  page += HtmlText(title);
  page += "</h1>\n";
  page += body;
  page += "</html>\n";
  return page;
}

}  // namespace tapedeck::fuzz
