// Stand-in for UnityEngine.UI: the members that the plugins use.
namespace UnityEngine.UI
{
    public class Selectable : MonoBehaviour
    {
        public bool interactable { get; set; } = true;

        public bool Selected { get; set; }

        public void Select() => Selected = true;
    }

    public class Button : Selectable
    {
        public class ButtonClickedEvent : Events.UnityEvent
        {
        }

        public ButtonClickedEvent onClick { get; } = new();
    }
}
