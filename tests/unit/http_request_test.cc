// What the demo web server understands of requests, and how it answers what it does not.
#include "replay/apps/http_request.h"

#include <gtest/gtest.h>

#include <string>

namespace tapedeck {
namespace {

using Outcome = HttpParse::Outcome;

HttpRequest Parsed(const std::string& text) {
  HttpRequest request;
  const HttpParse parse = ParseHttpRequest(text, &request);
  EXPECT_EQ(parse.outcome, Outcome::kRequest) << text;
  EXPECT_EQ(parse.head_bytes, text.size());
  return request;
}

int StatusOf(const std::string& text) {
  HttpRequest request;
  const HttpParse parse = ParseHttpRequest(text, &request);
  EXPECT_EQ(parse.outcome, Outcome::kWrong) << text;
  return parse.status;
}

TEST(HttpRequestTest, ReadsMethodAndPathWithoutQuery) {
  const HttpRequest get = Parsed("GET /bytes/10?x=1 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(get.method, HttpRequest::Method::kGet);
  EXPECT_EQ(get.path_view(), "/bytes/10");
  EXPECT_EQ(Parsed("HEAD / HTTP/1.1\n\n").method, HttpRequest::Method::kHead);
  EXPECT_EQ(Parsed("PUT /a HTTP/1.1\r\n\r\n").method, HttpRequest::Method::kPut);
  EXPECT_EQ(Parsed("POST /a HTTP/1.1\r\n\r\n").method, HttpRequest::Method::kPost);
  EXPECT_EQ(Parsed("DELETE /a HTTP/1.1\r\n\r\n").method, HttpRequest::Method::kOther);
}

TEST(HttpRequestTest, EveryCutHeadIsIncomplete) {
  const std::string whole = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    HttpRequest request;
    EXPECT_EQ(ParseHttpRequest(whole.substr(0, bytes), &request).outcome, Outcome::kIncomplete);
  }
}

TEST(HttpRequestTest, WhatFollowsTheHeadIsNotPartOfIt) {
  HttpRequest request;
  EXPECT_EQ(ParseHttpRequest("GET / HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n", &request).head_bytes,
            18U);
}

TEST(HttpRequestTest, ConnectionsStayOpenAsTheVersionAndTheHeaderSay) {
  EXPECT_TRUE(Parsed("GET / HTTP/1.1\r\n\r\n").keep_alive);
  EXPECT_FALSE(Parsed("GET / HTTP/1.1\r\nconnection: Close\r\n\r\n").keep_alive);
  EXPECT_FALSE(Parsed("GET / HTTP/1.0\r\n\r\n").keep_alive);
  EXPECT_TRUE(Parsed("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keep_alive);
}

TEST(HttpRequestTest, ReadsTheLengthOfABodyAndWhetherItIsWaitedFor) {
  const HttpRequest put =
      Parsed("PUT / HTTP/1.1\r\nContent-Length: 123\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(put.content_bytes, 123U);
  EXPECT_TRUE(put.expects_continue);
}

TEST(HttpRequestTest, WhatIsWrongHasItsStatus) {
  EXPECT_EQ(StatusOf("GET\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET x HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET / HTTP/2\r\n\r\n"), 505);
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\nno colon\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), 501);
  EXPECT_EQ(StatusOf("GET /" + std::string(255, 'a') + " HTTP/1.1\r\n\r\n"), 414);
  EXPECT_EQ(Parsed("GET /" + std::string(254, 'a') + " HTTP/1.1\r\n\r\n").path_view().size(), 255U);
}

TEST(HttpRequestTest, CountsOfBytesHaveUnits) {
  EXPECT_EQ(ParseByteCount("0"), 0U);
  EXPECT_EQ(ParseByteCount("1500"), 1500U);
  EXPECT_EQ(ParseByteCount("64k"), 65536U);
  EXPECT_EQ(ParseByteCount("10M"), 10U << 20);
  EXPECT_EQ(ParseByteCount("1024G"), uint64_t{1} << 40);
  for (const char* const wrong : {"", "k", "1025G", "-1", "1x", "1 ", "99999999999999999999"}) {
    EXPECT_EQ(ParseByteCount(wrong), std::nullopt) << wrong;
  }
}

}  // namespace
}  // namespace tapedeck
