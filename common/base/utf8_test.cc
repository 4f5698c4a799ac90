#include "common/base/utf8.h"

#include <gtest/gtest.h>

namespace slicelet {
namespace {

using std::string_literals::operator""s;

TEST(ToUtf8, LeavesTextAsItIs) {
  const std::string text = "plain, größer, €, 😀, \0 and \n"s;
  EXPECT_EQ(ToUtf8(text), text);
  EXPECT_EQ(ToUtf8(""), "");
}

TEST(Beginning, HasWholeCharacters) {
  EXPECT_EQ(Beginning("a€b", 5), "a€b");
  EXPECT_EQ(Beginning("a€b", 4), "a€");
  EXPECT_EQ(Beginning("a€b", 3), "a");
  EXPECT_EQ(Beginning("a€b", 2), "a");
  EXPECT_EQ(Beginning("a€b", 1), "a");
  EXPECT_EQ(Beginning("€", 1), "");
  EXPECT_EQ(Beginning("€", 0), "");
}

struct Bytes {
  std::string bytes, text;
};
class OddBytes : public testing::TestWithParam<Bytes> {};
TEST_P(OddBytes, AreReplacedOneByOne) {
  EXPECT_EQ(ToUtf8(GetParam().bytes), GetParam().text);
  EXPECT_EQ(ToUtf8(GetParam().text), GetParam().text);
}
INSTANTIATE_TEST_SUITE_P(
    All, OddBytes,
    testing::Values(Bytes{"a\xff\xfe!", "a��!"}, Bytes{"\x80", "�"}, Bytes{"\xc3", "�"},
                    Bytes{"\xe2\x82", "��"}, Bytes{"\xf0\x9f\x98", "���"}, Bytes{"\xac€", "�€"},
                    // What fewer bytes can say, half of a UTF-16 pair, and beyond Unicode.
                    Bytes{"\xc0\xaf", "��"}, Bytes{"\xe0\x80\xaf", "���"}, Bytes{"\xed\xa0\x80", "���"},
                    Bytes{"\xf4\x90\x80\x80", "����"}));

}  // namespace
}  // namespace slicelet
