// Stub: the members of Unity.TextMeshPro that the plugins use.
namespace TMPro
{
    public class TextMeshProUGUI : UnityEngine.MonoBehaviour
    {
        public string text => throw null!;
    }
}
