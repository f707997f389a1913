"""Names as they stand on cards and in bank accounts: one table for the API and for the page's script."""

#: What a card carries, and what the page sends of it.
ON_CARDS: dict[str, str] = {
    **{same: same for same in (
        "TARO YAMADA", "JOHN SMITH 3RD", "ACME FLEET 12", "SMITH (ACME LTD)", "X", "7", "J.R. O'NEILL-SMITH, JR.",
        "A/B TRADING & CO.", "S&P 500 FUND NO. 7", "M/S BROWN", "O’BRIEN", "O‘BRIEN", "OʼBRIEN", "KAʻAHUMANU",
        "O`BRIEN",
        "O´BRIEN", "D′ARCY", "JOSÉ NÚÑEZ ÁLVAREZ", "ŁUKASZ WÓJCIK", "ĐẶNG THỊ", "STRAẞE", "Straße", "ÞÓR", "GEL·LÍ",
        "TARO・Y",
        "ACME: FLEET; 1+1=2", "@HOME #1 *GOLD*", '"ACE" <ACME>', "100% ACME!?", "A_B", "YAMADA–TARO",
        "X" * 45, "1234 5678 9012", "4111 1111 1111 1112", "0000000000000",
    )},
    "ＴＡＲＯ　ＹＡＭＡＤＡ": "TARO YAMADA", "  TARO \t YAMADA  ": "TARO YAMADA", "TARO\xa0YAMADA": "TARO YAMADA",
    "JOSE\u0301": "JOSÉ", "A＆B（ＡＣＭＥ）": "A&B(ACME)", "O＇BRIEN": "O'BRIEN", "TARO\u3000\u3000Y": "TARO Y",
}  # fmt: skip

#: What no card carries in Latin letters: a hint, and no bar.
DOUBTED: dict[str, str] = {
    **{same: same for same in (
        "山田 太郎", "ヤマダ タロウ", "やまだたろう", "山田 TARO", "김철수", "王小明", "田中・エミリー", "𠮷野 太郎",
        "Иван Петров",
        "Γιώργος", "สมชาย น้ำคำ", "محمد علي", "דוד כהן", "हिन्दी", "ყიფიანი", "X" * 46, "X" * 255,
    )},
    "山田　太郎": "山田 太郎", "ﾔﾏﾀﾞ ﾀﾛｳ": "ヤマダ タロウ", "ᄒ\u1161ᆫ": "한",
}  # fmt: skip

#: What is no name: a card's number, signs that are not seen, more than can be kept.
NO_NAMES: tuple[str, ...] = (
    "4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "４１１１１１１１１１１１１１１１",
    "TARO 4111111111111111",
    "378282246310005 TARO", "5555555555554444", "TARO\u202eYAMADA", "\u200eTARO", "TARO\u2066Y", "TARO\x07",
    "TARO\x7f",
    "TARO\u061c", "X" * 256,
)  # fmt: skip

#: Kana of people and companies as banks register them, and what the page sends of them.
KANA: dict[str, str] = {
    **{same: same for same in (
        "ヤマダ", "ヤマダ タロウ", "ヤマダ・タロウ", "サトー", "ガッツ", "ヴァイオレット", "シェーン", "ヷヸヹヺ",
        "イスヾ", "イスヽ", "ヵヶ",
        "カ)ヤマダショウテン", "ヤマダショウテン(カ", "カ)ヤマダ(エイ", "ユ)タナカ", "シヤ)ニホン", "カ)ABC-7",
        "カ)109", "カ)エ-.ビ-.",
        "カ)ニホン/トウキヨウ", "カ)「ヤマダ」", "カ)A,B", "カ)¥100", "カ)ㇰㇷ",
    )},
    "カ）ヤマダショウテン": "カ)ヤマダショウテン", "ﾕ)ﾀﾅｶ": "ユ)タナカ", "ｶ)ﾔﾏﾀﾞｼﾖｳﾃﾝ": "カ)ヤマダシヨウテン",
    "やまだ": "ヤマダ",
    "ﾀﾛｳ": "タロウ", "ﾊﾟﾋﾟｰ": "パピー", "カ゛ク": "ガク", "は゜ん": "パン", "ウ゛イ": "ヴイ", "う゛ぃ": "ヴィ",
    "いすゞ": "イスヾ", "いすゝ": "イスヽ",
    "カ）ＡＢＣ": "カ)ABC", "カ）１０９": "カ)109", "ｶ)｢ﾔﾏﾀﾞ｣": "カ)「ヤマダ」", "ﾔﾏﾀﾞ･ﾀﾛｳ": "ヤマダ・タロウ",
    "ヤマダ　タロウ": "ヤマダ タロウ",
    " ヤマダ ": "ヤマダ", "カ）エ−ビ－": "カ)エ-ビ-", "カ)エ–ビ—シ": "カ)エ-ビ-シ", "カ）ヤマダ．": "カ)ヤマダ.",
    "カ）ヤマダ／タナカ": "カ)ヤマダ/タナカ",
    "カ\u3099ク": "ガク", "ｱﾞｱ": "ア\u3099ア", "ゎ": "ヮ", "ゔ": "ヴ",
}  # fmt: skip

#: As one half of a company's name they may be right.
DOUBTED_KANA: dict[str, str] = {"ABC": "ABC", "ＮＴＴ": "NTT", "109": "109", "A-1": "A-1", "ー": "ー", ".": "."}

#: What no bank writes.
NO_KANA: tuple[str, ...] = (
    "山田", "Yamada", "yamada", "カ)abc", "ヤマダ太郎", "김", "ヤマダ!", "ヤマダ@", "カ)A&B", "ヤマダ＿", "ヤマダ😀",
    "ヤ\u200bマ", "ヤマ\u202eダ",
    "カ\tヤ",
)  # fmt: skip
