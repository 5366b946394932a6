// Stand-in for Unity.TextMeshPro: the members that the plugins use.
namespace TMPro
{
    public class TextMeshProUGUI : UnityEngine.MonoBehaviour
    {
        public string text { get; set; } = "";
    }
}
