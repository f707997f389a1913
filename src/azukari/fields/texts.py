"""What the frame says beyond the page's words."""

from collections.abc import Mapping

from azukari.checkout.messages import LANGUAGES, fill

_TEXTS: Mapping[str, tuple[str, str, str, str]] = {
    "frame": ("お支払い情報", "Payment details", "결제 정보", "支付信息"),
    "frame_save": ("登録する情報", "Details to save", "등록할 정보", "要绑定的信息"),
    "reuse_save": (
        "登録すると、今後の代金のお支払いに{shop}が{thing}を使うことに同意したことになります。"
        "取り消すときは{shop}にご連絡ください。",
        "By saving you allow {shop} to charge {thing} for future payments. To withdraw, contact {shop}.",
        "등록하면 {shop}의 향후 결제에 {thing} 사용을 동의하게 됩니다. 철회는 {shop}에 문의해 주세요.",
        "绑定即表示您同意 {shop} 今后使用{thing}扣款。如需取消，请联系 {shop}。",
    ),
    "reuse_both": (
        "お支払いになると、今後の代金のお支払いにも{shop}が{thing}を使うことに同意したことになります。"
        "取り消すときは{shop}にご連絡ください。",
        "By paying you also allow {shop} to charge {thing} for future payments. To withdraw, contact {shop}.",
        "결제하면 {shop}의 향후 결제에도 {thing} 사용을 동의하게 됩니다. 철회는 {shop}에 문의해 주세요.",
        "付款即表示您同意 {shop} 今后也使用{thing}扣款。如需取消，请联系 {shop}。",
    ),
    "away": (
        "このあと{method}のページに移動します。", "You continue on {method}'s page next.",
        "다음 단계에서 {method} 페이지로 이동합니다.", "接下来将前往 {method} 的页面。",
    ),
    "elsewhere": (
        "このあとお支払いページで{method}のお手続きを続けます。", "You continue with {method} on the payment page next.",
        "다음 단계에서 결제 페이지로 이동해 {method} 결제를 계속합니다.", "接下来将在支付页面继续使用 {method}。",
    ),
    "stop": ("認証をやめる", "Stop the check", "인증 중단", "停止验证"),
}  # fmt: skip
_PLACES = {language: at for at, language in enumerate(LANGUAGES)}


def say(language: str, key: str, **values: object) -> str:
    """A text with its places filled."""
    return fill(_TEXTS[key][_PLACES[language]], **values)
