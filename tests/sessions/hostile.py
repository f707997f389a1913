"""Return addresses that must be refused."""

_JS = "javascript:alert(1)"

_SPELLINGS = (
    "JAVASCRIPT:alert(1)", "JaVaScRiPt:alert(1)", "javascript://shop.example/%0aalert(1)",
    "javascript:alert(1)//https:",
    "java\tscript:alert(1)", "java\nscript:alert(1)", "java\rscript:alert(1)", "java\0script:alert(1)",
    "\tjavascript:alert(1)", "\njavascript:alert(1)", " javascript:alert(1)", "\x01javascript:alert(1)",
    "\x1fjavascript:alert(1)", "\x7fjavascript:alert(1)", "\x85javascript:alert(1)", "\xa0javascript:alert(1)",
    "\u200bjavascript:alert(1)", "\u2028javascript:alert(1)", "\u2029javascript:alert(1)", "\u3000javascript:alert(1)",
    "\ufeffjavascript:alert(1)", "\u202ejavascript:alert(1)", "\u00adjavascript:alert(1)", "\u2060javascript:alert(1)",
    "javascript\t:alert(1)", "javascript :alert(1)", "javascript\u200b:alert(1)", "javascript\n:alert(1)",
    "javascript：alert(1)", "ｊａｖａｓｃｒｉｐｔ:alert(1)", "jаvascript:alert(1)", "javaſcript:alert(1)",
    "javascrıpt:alert(1)",
    "javascript%3aalert(1)", "%6aavascript:alert(1)", "&#106;avascript:alert(1)", "javascript&colon;alert(1)",
    "java%0ascript:alert(1)", "java%09script:alert(1)", "\\javascript:alert(1)", "/javascript:alert(1)",
    "//javascript:alert(1)", ":javascript:alert(1)", "+javascript:alert(1)", "1javascript:alert(1)",
)  # fmt: skip

_OTHERS = (
    "data:text/html,<script>alert(1)</script>", "DATA:text/html;base64,PHNjcmlwdD4=", "data:,a", "\tdata:text/html,a",
    "vbscript:msgbox(1)", "VBSCRIPT:msgbox(1)", "livescript:a", "mocha:a", "blob:https://shop.example/a", "BLOB:null/a",
    "file:///etc/passwd", "file://host/share", "FILE:///c:/", "about:blank", "about:srcdoc", "ABOUT:BLANK",
    "filesystem:https://shop.example/temporary/a", "view-source:https://shop.example",
    "View-Source:javascript:alert(1)",
    "feed:javascript:alert(1)", "feed://shop.example", "jar:https://shop.example!/a", "pcast:javascript:alert(1)",
    "wyciwyg://0/", "resource://a", "chrome://settings", "chrome-extension://a/b", "moz-extension://a/b", "edge://a",
    "ms-its:a", "mk:@MSITStore:a", "its:a", "mhtml:a", "res://a", "ws://shop.example", "wss://shop.example",
    "ftp://shop.example/a", "intent://a#Intent;S.browser_fallback_url=javascript:alert(1);end", "ms-msdt:/id",
    "search-ms:query=a", "about:javascript:alert(1)", "x-javascript:a",
)  # fmt: skip

_NO_ADDRESS = (
    "", "https", "https:", "https:/", "https://", "https:///path", "https:shop.example", "https:/shop.example",
    "http:\\\\shop.example", "https:\\/shop.example", "https://shop.example\\@evil.example", "//evil.example", "/evil",
    "evil.example", "shop@evil.example", "?a", "#a", "https://user:secret@shop.example/", "https://shop.example@evil/",
    "https://shop.example:port/", "https://shop.example:999999/", "https://shop .example/", "https://shop.example/\n",
    "https://shop.example/\r\nSet-Cookie: a=b", "https://shop.example/\0", "https://shop.example/ a", "https://<a>/",
    "https://あ\u200b_.example/", "https://あ。。example/", "https://shop.example／@evil.example/",
    "https://shop.example＠evil.example/", "https://あ@evil.example/", "https://あ.example:port/", "https://\U0001f4a9-.example/",
    "https://あ．１２７:99999/", "https://xn--a.あ.example/", "https://あ" + "い" * 60 + ".example/", "https://④①①①①①①①①①①①①①①①.example/",
    "komoju:", "komoju", "://a", "https://a:65536/",
    "https://a.example/?card=4111111111111111", "komoju://4111-1111-1111-1111", "https://a.example/4111%201111%201111%201111",
     "-app://a", ".app://a", "app_1://a",
)  # fmt: skip

HOSTILE = [_JS, *_SPELLINGS, *_OTHERS, *(text for text in _NO_ADDRESS if text)]
