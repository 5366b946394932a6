// How a run ends: whether it is over, and whether it was won. A tier's last boss, the final boss and the victory screen
// are each a win; a death after one of them does not take it back.
using Assets.Scripts.Actors.Player;

namespace BonkLink;

public sealed class RunEnd
{
    private readonly Field<bool> _isOver = new(
        "game over", false, () => GameManager.Instance != null && GameManager.Instance.isGameOver,
        () => MyPlayer.Instance != null && MyPlayer.Instance.IsDead());

    private readonly Field<bool> _tier = new("tier won", false, () => Screen is { } screen && screen.tierVictory);

    private readonly Field<bool> _boss = new(
        "final boss", false, () => GameManager.Instance != null && GameManager.Instance.IsFinalBossDead());

    private readonly Field<bool> _victory = new(
        "victory screen", false,
        () => Screen is { } screen && screen.victoryScreen != null && screen.victoryScreen.activeInHierarchy);

    private static DeathScreen? Screen
    {
        get
        {
            var manager = UiManager.Instance;
            var screen = manager == null ? null : manager.deathScreen;
            return screen == null ? null : screen;
        }
    }

    public bool IsOver => _isOver.Read();

    public bool IsWon => _tier.Read() || _boss.Read() || _victory.Read();
}
