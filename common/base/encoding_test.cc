#include "common/base/encoding.h"

#include <gtest/gtest.h>

namespace slicelet {
namespace {

TEST(Hex, RoundTrips) {
  const std::string bytes("\x00\x01\xfe\xff", 4);

  EXPECT_EQ(HexEncode(bytes), "0001feff");
  EXPECT_EQ(HexDecode("0001FEff").value(), bytes);
}

TEST(Hex, RefusesWhatIsNotHexadecimal) {
  EXPECT_FALSE(HexDecode("abc").ok());
  EXPECT_FALSE(HexDecode("zz").ok());
}

TEST(Percent, LeavesWhatIsUnreserved) {
  EXPECT_EQ(PercentEncode("aZ0-._~"), "aZ0-._~");
  EXPECT_EQ(PercentEncode("a/b c?\xc3\xa4%"), "a%2Fb%20c%3F%C3%A4%25");
  EXPECT_EQ(PercentEncode(""), "");
}

// RFC 4648 section 10.
TEST(Base64, AgreesWithTheStandard) {
  const std::pair<const char*, const char*> cases[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : cases) {
    EXPECT_EQ(Base64Encode(plain), encoded);
    EXPECT_EQ(Base64Decode(encoded).value(), plain);
  }
}

TEST(Base64, IgnoresLineBreaks) { EXPECT_EQ(Base64Decode("Zm9v\nYmFy\n").value(), "foobar"); }

TEST(Base64, RefusesWhatIsNotBase64) {
  EXPECT_FALSE(Base64Decode("Zg=").ok());
  EXPECT_FALSE(Base64Decode("Zg==Zg==").ok());
  EXPECT_FALSE(Base64Decode("Zm9-").ok());
  EXPECT_FALSE(Base64Decode("Zm9v====").ok());
}

// FIPS 180-2 appendix B.1.
TEST(Sha256, AgreesWithTheStandard) {
  EXPECT_EQ(HexEncode(Sha256("abc").value()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Short(Sha256("abc")), "ba7816bf8f01");
}

// RFC 4122 appendix B, erratum 1352's namespace example for version 5.
TEST(UuidV5, AgreesWithTheStandard) {
  EXPECT_EQ(UuidV5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "www.example.com"),
            "2ed6657d-e927-568b-95e1-2665a8aea6a2");
}

}  // namespace
}  // namespace slicelet
