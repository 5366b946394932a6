// Stub: the members of UnityEngine.UI that the plugins use.
namespace UnityEngine.UI
{
    public class Selectable : MonoBehaviour
    {
        public bool interactable => throw null!;

        public void Select() => throw null!;
    }

    public class Button : Selectable
    {
        public class ButtonClickedEvent : Events.UnityEvent
        {
        }

        public ButtonClickedEvent onClick => throw null!;
    }
}
