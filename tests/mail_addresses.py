"""Mail addresses as people and programs give them: one table for the API and for the page's script."""

#: What is given, and how it is read.
TAKEN: dict[str, str] = {
    **{same: same for same in (
        "taro@example.com", "Taro.Yamada@Example.CO.JP", "a@b", "taro@localhost", "1@2.jp", "taro+shop@example.com",
        # As docomo and others gave them out.
        "a..b@docomo.ne.jp", ".a.@docomo.ne.jp", ".a.@docomo", "a.@ezweb.ne.jp", "-a-@docomo.ne.jp",
        "a_b-c/d?e=f@docomo.ne.jp", '"a..b"@docomo.ne.jp', "!#$%&'*+-/=?^_`{|}~@example.com", "o'brien@example.com",
        "a" * 100 + "@example.com", "a" * 243 + "@example.com", "a@my_host.example.com", "a@b-c.example", "a@-.jp",
        # In any script.
        "taro@例え.テスト", "a@xn--r8jz45g.xn--zckzah", "山田@例え.jp", "jörg@bücher.de", "почта@пример.рф",
        "서울@예.한국", "ทดสอบ@ตัวอย่าง.ไทย", "a@x.சிங்கப்பூர்", "a@b.இலங்கை", "a@نامه\u200cای.com", "a@ドメイン・名.jp",
        "𠮷野@example.jp", "❤@i❤.ws",
    )},
    # Blanks at the ends.
    **dict.fromkeys((
        " a@example.com", "a@example.com ", "\u3000a@example.com\u3000", "\xa0a@example.com\u2003", "a@example.com\t",
        "\ta@example.com", "a@example.com\u2028", "\ufeffa@example.com", "\u200ba@example.com\u2060",
        "\u1680a@example.com",
        "a@example.com\u202f \u205f",
        # As an input method for Japanese writes it.
        "a＠example.com", "ａ＠ｅｘａｍｐｌｅ．ｃｏｍ", "a@example。com", "a@example｡com",
        "　ａ＠ｅｘａｍｐｌｅ。ｃｏｍ　",
        "a﹫example.com",
    ), "a@example.com"),
    "ﾀﾛｳ@example.jp": "タロウ@example.jp", "山田。太郎@例え。jp": "山田.太郎@例え.jp",
    "jo\u0308rg@example.com": "jörg@example.com",
    "taro＋shop@example.com": "taro+shop@example.com",
}  # fmt: skip

#: What is not one mail address.
REFUSED: tuple[str, ...] = (
    "a", "@", "a@", "@example.com", "example.com", "a at example.com", "a@@example.com", "a@b@example.com",
    "a＠b@example.com", "a@example.com@",
    # A blank within.
    "a b@example.com", "a@ example.com", "a @example.com", "a@exam ple.com", "a　b@example.com", "a\xa0@example.com",
    "a@example\u200b.com", "a\u2060@example.com", "a\u1680b@example.com", "a@exa\tmple.com", "a@example.com b",
    # Two of them.
    "a@example.com,b@example.com", "a@example.com, b@example.com", "a@example.com;b@example.com",
    "a@example.com b@example.com", "a@example.com、b@example.com", "a@example.com，b@example.com",
    "a@example.com；b@example.com", "a@example.com/b@example.com", "a@example.com,", "a@example.com;",
    ",a@example.com",
    # What comes along when it is copied.
    "mailto:a@example.com", "MAILTO:a@example.com", "mailto：a@example.com", "mailto:a@example.com?subject=b",
    "a@example.com?subject=b", "Taro <a@example.com>", "<a@example.com>", "Taro<a@example.com>", "a@example.com>",
    '"Taro" <a@example.com>', "太郎＜a@example.com＞", "a@example.com（太郎）", "a@example.com (Taro)",
    "(Taro)a@example.com",
    "a@example.com）", "a@example.com、", "a@example.com。", "a@example.com.", "a@example.com．", "a@example.com」",
    "http://a@example.com", "a@example.com/", "a@example.com:25", "a@[127.0.0.1]", "a\\@example.com",
    # No place on the network.
    "a@.com", "a@example..com", "a@example。。com", "a@exa!mple.com", "a@exam'ple.com", "a@example.com-",
    "a@example.com_",
    "a@ex*mple.com", "a" * 244 + "@example.com", "a@" + "b" * 254,
    # Not to be seen.
    "a\r\nBcc:b@example.com", "a\nb@example.com", "a\x01@example.com", "a\x85b@example.com", "\u202ea@example.com",
    "a@example.com\u200e", "a\u2066b@example.com", "a\u061c@example.com", "a@example\x7f.com",
    # A card's number (SEC-18), in any signs.
    "4111111111111111@example.com", "４１１１１１１１１１１１１１１１@example.com", "4111-1111-1111-1111@example.com",
)  # fmt: skip
