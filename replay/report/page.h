// The fixed parts of a report's page: page/report.css and page/report.js, built into the library.
#ifndef TAPEDECK_REPLAY_REPORT_PAGE_H_
#define TAPEDECK_REPLAY_REPORT_PAGE_H_

namespace tapedeck::report {

const char* PageStyle();
const char* PageScript();

}  // namespace tapedeck::report

#endif  // TAPEDECK_REPLAY_REPORT_PAGE_H_
